{{/* The users by whom Airflow logs in to its PostgreSQL: the Job brings them to what the Secret says. */}}

{{/* Not empty where there are any but the one of secrets.database. */}}
{{- define "airflow.logins.reads" -}}
{{- if .Values.secrets.logins }}true{{ end -}}
{{- end }}

{{- define "airflow.logins.env" -}}
{{- if include "airflow.logins.reads" . -}}
- name: DATABASE_USER
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.database }}
      key: username
{{- $read := dict "DATABASE_PASSWORD" "password" "SECOND_USER" "second-username" "SECOND_PASSWORD" "second-password" }}
{{- if not .Values.postgres.enabled }}{{ $_ := set $read "DATABASE_OWNER" "owner" }}{{ end }}
{{- range $variable, $key := $read }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secrets.logins }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- end }}
