{{/* The users by whom Airflow logs in to the chart's PostgreSQL: the Job brings them to what the Secret says. */}}

{{/* Not empty where there are any but the one of secrets.database. */}}
{{- define "airflow.logins.reads" -}}
{{- if and .Values.postgres.enabled .Values.secrets.logins }}true{{ end -}}
{{- end }}

{{- define "airflow.logins.env" -}}
{{- if include "airflow.logins.reads" . -}}
- name: DATABASE_USER
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.database }}
      key: username
{{- range $variable, $key := dict "DATABASE_PASSWORD" "password" "SECOND_USER" "second-username" "SECOND_PASSWORD" "second-password" }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secrets.logins }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- end }}
