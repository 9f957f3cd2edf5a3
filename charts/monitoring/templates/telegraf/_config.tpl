{{/*
Telegraf's settings. Airflow's StatsD comes with tags, whose values are names of DAGs and tasks as they are.

Counters and timings are those since the point before: a sum over time is exact, whenever Telegraf was started anew.
*/}}
{{- define "monitoring.telegraf.config" -}}
[agent]
  interval = "10s"
  round_interval = true
  flush_interval = "2s"
  metric_batch_size = 5000
  metric_buffer_limit = {{ int64 .Values.telegraf.bufferPoints }}
  # What InfluxDB has not taken yet survives this pod, too.
  buffer_strategy = "disk"
  buffer_directory = "/var/lib/telegraf/buffer"
  omit_hostname = true
  quiet = true
  skip_processors_after_aggregators = true

[[secretstores.docker]]
  id = "passwords"
  path = "/run/secrets/influxdb"

[[outputs.influxdb]]
  {{- with .Values.influxdb.external }}
  urls = [{{ include "monitoring.influxdb.url" $ | quote }}]
  database = {{ empty .url | ternary "metrics" .database | quote }}
  # Another's has the policies that its owner gives it: what the database's default is.
  retention_policy = {{ empty .url | ternary "raw" "" | quote }}
  # The writer may not make any.
  skip_database_creation = true
  username = {{ empty .url | ternary "writer" .user | quote }}
  {{- end }}
  password = "@{passwords:writer}"
  timeout = "10s"
  # Single pods and containers: each would be a series of its own. Their sums are stored.
  namedrop = ["kubernetes_pod_*"]

[[inputs.statsd]]
  interval = "{{ int .Values.telegraf.airflowSeconds }}s"
  service_address = ":8125"
  metric_separator = "_"
  delete_counters = true
  delete_gauges = true
  delete_sets = true
  delete_timings = true
  percentiles = [90.0, 99.0]
  percentile_limit = 1000
  allowed_pending_messages = 100000
  # Some thousand packets that come at once; the node's net.core.rmem_max may allow fewer.
  read_buffer_size = 4194304

[[inputs.kubernetes]]
  interval = "{{ int .Values.telegraf.nodeSeconds }}s"
  # No address: all nodes that the API knows. Their kubelets' certificates are of no authority that pods know.
  url = ""
  # In the middle of the time that the pods' sums are made of: once in each.
  collection_offset = "5s"
  namepass = ["kubernetes_node", "kubernetes_pod_container"]
  label_include = ["aerodrome/environment", "app.kubernetes.io/component"]
  label_exclude = []

{{- include "monitoring.telegraf.pods" . }}
{{- include "monitoring.telegraf.postgresql" . }}
{{- include "monitoring.telegraf.certificates" . }}

[[inputs.internal]]
  interval = "{{ int .Values.telegraf.nodeSeconds }}s"
  collect_memstats = false
  namepass = ["internal_write"]
{{- end }}
