{{/* The administrator that the migration Job keeps in step with the Secret. */}}
{{- define "airflow.adminAccount" -}}
{{- range $variable, $key := dict "ADMIN_USERNAME" "username" "ADMIN_PASSWORD" "password" "ADMIN_EMAIL" "email" }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secrets.admin }}
      key: {{ $key }}
{{- end }}
{{- end }}
