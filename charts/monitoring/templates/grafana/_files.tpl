{{/*
What Grafana reads at its start: made by `python -m grafana` with the names that the kit gives, and told here what only a
release knows. Each is the content of a ConfigMap's `data`.
*/}}

{{- define "monitoring.grafana.dashboards" -}}
{{ (.Files.Glob "files/dashboards/*.json").AsConfig }}
{{- end }}

{{- define "monitoring.grafana.folders" -}}
{{ (.Files.Glob "files/provisioning/dashboards/*.yaml").AsConfig }}
{{- end }}

{{- define "monitoring.grafana.datasources" -}}
{{- $host := printf "%s.%s.svc." (include "monitoring.name.influxdb" .) .Release.Namespace -}}
{{ (.Files.Glob "files/provisioning/datasources/*.yaml").AsConfig | replace "monitoring-influxdb.monitoring.svc." $host }}
{{- end }}

{{/* Without an address of the runbooks an alert has no link: a dead one helps nobody. */}}
{{- define "monitoring.grafana.alerting" -}}
{{- $rules := .Files.Get "files/provisioning/alerting/rules.yaml" -}}
{{- with .Values.grafana.runbookUrl -}}
{{- $rules = replace "https://aerodrome.invalid/docs/runbooks" (trimSuffix "/" .) $rules -}}
{{- else -}}
{{- $rules = regexReplaceAll "(?m)^ *runbook_url: .*\n" $rules "" -}}
{{- end -}}
{{- $files := dict "rules.yaml" $rules -}}
{{- with include "monitoring.grafana.contacts" . -}}
{{- $_ := set $files "contacts.yaml" . -}}
{{- end -}}
{{ toYaml $files }}
{{- end }}

{{/* Which folder each is mounted as. */}}
{{- define "monitoring.grafana.folders-of-files" -}}
datasources: /etc/grafana/provisioning/datasources
folders: /etc/grafana/provisioning/dashboards
alerting: /etc/grafana/provisioning/alerting
dashboards: /var/lib/grafana/dashboards/aerodrome
{{- end }}
