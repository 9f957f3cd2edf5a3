{{/* Roles and users that access.yaml declares: the file, and the first passwords of its users. */}}
{{- define "airflow.access.env" -}}
{{- if .Values.access }}
- name: ACCESS_FILE
  value: /opt/airflow/declared/access.json
{{- with .Values.secrets.access }}
- name: ACCESS_PASSWORDS
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: passwords.json
{{- end }}
{{- end }}
{{- end }}
