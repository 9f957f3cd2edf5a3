{{/*
Airflow's pods by environment and component, summed up over all nodes. Names of pods, which are other ones with every
task, go no further than this.
*/}}
{{- define "monitoring.telegraf.pods" }}

[[inputs.http]]
  interval = "{{ int .Values.telegraf.nodeSeconds }}s"
  collection_offset = "5s"
  # What its memory has already, rather than what it would have to read.
  urls = ["https://kubernetes.default.svc/api/v1/pods?resourceVersion=0&labelSelector=aerodrome/environment"]
  token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token"
  tls_ca = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
  data_format = "xpath_json"

  [[inputs.http.xpath]]
    metric_name = "'kubernetes_pod_state'"
    metric_selection = "/items/*"

    [inputs.http.xpath.tags]
      "aerodrome/environment" = "metadata/labels/*[name()='aerodrome/environment']"
      "app.kubernetes.io/component" = "metadata/labels/*[name()='app.kubernetes.io/component']"

    # Of the pods that are there, by the last end of each container.
    [inputs.http.xpath.fields_int]
      restarts = "sum(status/containerStatuses/*/restartCount)"
      oom_killed = "count(status/containerStatuses/*/*[name()='state' or name()='lastState'][terminated/reason='OOMKilled'])"
      evicted = "count(status/reason[.='Evicted'])"

[[processors.rename]]
  namepass = ["kubernetes_pod_*"]

  [[processors.rename.replace]]
    tag = "aerodrome/environment"
    dest = "environment"

  [[processors.rename.replace]]
    tag = "app.kubernetes.io/component"
    dest = "component"

[[aggregators.basicstats]]
  namepass = ["kubernetes_pod_*"]
  name_override = "kubernetes_pods"
  # As often as they are asked for: each container counts once.
  period = "{{ int .Values.telegraf.nodeSeconds }}s"
  drop_original = true
  stats = ["sum", "max"]
  fieldinclude = ["cpu_usage_nanocores", "memory_working_set_bytes", "restarts", "oom_killed", "evicted"]
  taginclude = ["environment", "component"]

  # Others' pods have none.
  [aggregators.basicstats.tagpass]
    environment = ["*"]
{{- end }}
