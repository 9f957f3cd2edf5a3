{{/*
How long certificates are valid: that of this release's Elasticsearch, and of other servers. What a server presents
beside its own is its issuer's matter.
*/}}
{{- define "monitoring.telegraf.certificates" -}}
{{- $servers := .Values.telegraf.certificates -}}
{{- if .Values.logs.enabled -}}
{{- $servers = prepend $servers (printf "%s.%s.svc:9200" (include "monitoring.name.elasticsearch" .) .Release.Namespace) -}}
{{- end -}}
{{- with $servers }}

[[inputs.x509_cert]]
  interval = "5m"
  sources = [{{ range $n, $server := . }}{{ if $n }}, {{ end }}"tcp://{{ $server }}"{{ end }}]
  timeout = "10s"
  fieldinclude = ["expiry"]
  # Serial numbers and dates would be another series with each new certificate.
  taginclude = ["source"]
  # The first one only: it is the server's own.
  exclude_root_certs = true
{{- end }}
{{- end }}
