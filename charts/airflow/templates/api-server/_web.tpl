{{/* What the image's aerodrome_web.py reads: items of `env`. The api-server alone answers people. */}}
{{- define "airflow.web.environment" -}}
{{- range $name, $value := dict
  "AERODROME_CONTENT_SOURCES" (join " " .Values.ui.contentSources)
  "AERODROME_INGRESS" .Values.ui.host
  "AERODROME_LOGIN_FAILURES" .Values.ui.loginFailures
}}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
