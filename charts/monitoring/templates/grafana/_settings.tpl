{{/*
Grafana's settings, as variables. Nobody is let in without a login or makes one; nothing is embedded, and nothing of it calls its makers:
no figures of use, no news, no newer versions, no plugins but those of the image.
*/}}
{{- define "monitoring.grafana.settings" -}}
{{- $settings := dict
  "SECURITY_ADMIN_USER" "admin"
  "SECURITY_ADMIN_PASSWORD__FILE" "/run/secrets/grafana/admin"
  "SECURITY_ALLOW_EMBEDDING" "false"
  "SECURITY_DISABLE_GRAVATAR" "true"
  "AUTH_ANONYMOUS_ENABLED" "false"
  "USERS_ALLOW_SIGN_UP" "false"
  "ANALYTICS_REPORTING_ENABLED" "false"
  "ANALYTICS_CHECK_FOR_UPDATES" "false"
  "ANALYTICS_CHECK_FOR_PLUGIN_UPDATES" "false"
  "ANALYTICS_FEEDBACK_LINKS_ENABLED" "false"
  "NEWS_NEWS_FEED_ENABLED" "false"
  "PLUGINS_PREINSTALL_DISABLED" "true"
  "PLUGINS_PLUGIN_ADMIN_ENABLED" "false"
  "SNAPSHOTS_EXTERNAL_ENABLED" "false"
  "PATHS_DATA" "/var/lib/grafana"
  "PATHS_PLUGINS" "/var/lib/grafana/plugins"
  "PATHS_LOGS" "/var/lib/grafana/log"
  "PATHS_PROVISIONING" "/etc/grafana/provisioning"
-}}
{{- range $name, $value := $settings }}
- {name: GF_{{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- include "monitoring.grafana.smtp" . }}
{{- end }}
