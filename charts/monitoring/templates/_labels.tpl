{{/* Labels. Call with (dict "root" $ "component" "influxdb"). */}}

{{- define "monitoring.selector" -}}
app.kubernetes.io/name: monitoring
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "monitoring.labels" -}}
{{ include "monitoring.selector" . }}
app.kubernetes.io/part-of: aerodrome
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Queries InfluxDB: what its NetworkPolicy lets in, beside Telegraf. */}}
{{- define "monitoring.labels.readsMetrics" -}}
aerodrome/reads-metrics: "true"
{{- end }}

{{/* Asks PostgreSQL: what the NetworkPolicy of Airflow's lets in. */}}
{{- define "monitoring.labels.usesDatabase" -}}
aerodrome/uses-database: "true"
{{- end }}

{{/* Asks PgBouncer: what the NetworkPolicy of Airflow's lets in. */}}
{{- define "monitoring.labels.usesPgbouncer" -}}
aerodrome/uses-pgbouncer: "true"
{{- end }}

{{/* Searches Elasticsearch: what its NetworkPolicy lets in, beside the shipper. */}}
{{- define "monitoring.labels.readsLogs" -}}
aerodrome/reads-logs: "true"
{{- end }}
