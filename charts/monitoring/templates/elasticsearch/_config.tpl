{{/*
Elasticsearch's settings. One node; only its API listens outside the pod, with TLS, and nobody uses that without a
password. Its users are files that the image's `prepare.py` writes: there is no administrator.
*/}}
{{- define "monitoring.elasticsearch.config" -}}
cluster.name: monitoring
node.name: elasticsearch
discovery.type: single-node
path.data: /var/lib/elasticsearch/data
path.logs: /tmp
http.host: 0.0.0.0
http.port: 9200
transport.host: 127.0.0.1
# Otherwise every node would need another vm.max_map_count.
node.store.allow_mmap: false
action.auto_create_index: "airflow.*"
action.destructive_requires_name: true
xpack.license.self_generated.type: basic
xpack.security.enabled: true
xpack.security.enrollment.enabled: false
xpack.security.autoconfiguration.enabled: false
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.key: http.key
xpack.security.http.ssl.certificate: http.crt
xpack.security.authc.reserved_realm.enabled: false
xpack.security.authc.realms.native.native.enabled: false
xpack.security.authc.realms.file.file.order: 0
xpack.security.authc.api_key.enabled: false
xpack.security.authc.token.enabled: false
{{- end }}

{{/*
What the indices of logs are like: one for each environment and day. What the shipper does not name is not looked into,
so no line can be refused because a field of it is something else than in the line before.
*/}}
{{- define "monitoring.elasticsearch.template" -}}
{{- $fields := dict "@timestamp" "date_nanos" "message" "text" "traceback" "text" "sequence" "long" "offset" "long" "try_number" "integer" "map_index" "integer" "duration" "double" -}}
{{- range $name := list "level" "logger" "environment" "namespace" "pod" "container" "stream" "dag_id" "task_id" "run_id" "ti_id" "log_id" "final_state" -}}
{{- $_ := set $fields $name "keyword" -}}
{{- end -}}
{{- $properties := dict "extra" (dict "type" "keyword" "index" false "doc_values" false) -}}
{{- range $name, $type := $fields -}}
{{- $_ := set $properties $name (dict "type" $type) -}}
{{- end -}}
{{- $settings := dict "number_of_shards" 1 "refresh_interval" "1s" "codec" "best_compression" -}}
{{- if not .Values.elasticsearch.outside.url -}}
{{- $_ := set $settings "number_of_replicas" 0 -}}
{{- end -}}
{{- dict
  "index_patterns" (list "airflow.*")
  "template" (dict
    "settings" $settings
    "mappings" (dict "dynamic" false "properties" $properties)
  ) | toPrettyJson -}}
{{- end }}
