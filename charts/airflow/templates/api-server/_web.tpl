{{/* What the image's aerodrome_web.py reads: items of `env`. The api-server alone answers people and tasks. */}}
{{- define "airflow.web.environment" -}}
{{- $owners := (fromJson (default "{}" .Values.access)).owners }}
{{- range $name, $value := dict
  "AERODROME_OWNERS" (empty $owners | ternary "" (toJson $owners))
  "AERODROME_CONTENT_SOURCES" (join " " .Values.ui.contentSources)
  "AERODROME_LOGIN_FAILURES" .Values.ui.loginFailures
}}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
