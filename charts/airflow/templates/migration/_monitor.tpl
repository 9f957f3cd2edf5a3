{{/* The user of PostgreSQL who is asked for its figures: databaseMonitor. */}}

{{/* Whether the Job reads its password. */}}
{{- define "airflow.monitor.reads" -}}
{{- if and .Values.databaseMonitor.role .Values.secrets.monitor }}true{{ end -}}
{{- end }}

{{- define "airflow.monitor.env" -}}
{{- with .Values.databaseMonitor.role -}}
- name: MONITOR_ROLE
  value: {{ . }}
{{- if include "airflow.monitor.reads" $ }}
- name: MONITOR_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secrets.monitor }}
      key: password
{{- end }}
{{- end }}
{{- end }}
