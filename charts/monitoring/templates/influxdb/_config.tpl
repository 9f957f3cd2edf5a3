{{/* InfluxDB's settings. Nothing listens but its API, and nobody uses that without a password. */}}
{{- define "monitoring.influxdb.config" -}}
reporting-disabled = true
# For backups, which are made in the pod.
bind-address = "127.0.0.1:8088"

[meta]
  dir = "/var/lib/influxdb/meta"
  retention-autocreate = false

[data]
  dir = "/var/lib/influxdb/data"
  wal-dir = "/var/lib/influxdb/wal"
  # The index is on the disk: memory does not grow with the number of series.
  index-version = "tsi1"
  # Points come every few seconds: one write to the disk for all of a tenth of a second.
  wal-fsync-delay = "100ms"
  cache-max-memory-size = "256m"
  query-log-enabled = false

[coordinator]
  query-timeout = "60s"

[monitor]
  store-enabled = false

[http]
  bind-address = ":8086"
  auth-enabled = true
  log-enabled = false
  write-tracing = false
  flux-enabled = false
  # As many as one answer may hold; dashboards ask for fewer.
  max-row-limit = 100000

[continuous_queries]
  log-enabled = false
{{- end }}
