{{/* Where it sends. */}}
{{- define "monitoring.shipper.endpoint" -}}
{{- if .Values.elasticsearch.outside.url -}}
{{ trimSuffix "/" .Values.elasticsearch.outside.url }}
{{- else -}}
https://{{ include "monitoring.name.elasticsearch" . }}.{{ .Release.Namespace }}.svc:9200
{{- end -}}
{{- end }}

{{/* The port of that. */}}
{{- define "monitoring.shipper.port" -}}
{{- $found := regexFind ":[0-9]+$" (include "monitoring.shipper.endpoint" .) | trimPrefix ":" -}}
{{- $found | default "443" -}}
{{- end }}

{{/*
The shipper's settings: the logs of Airflow's containers on this node, to Elasticsearch. How far it has read and what
Elasticsearch has not taken are on the disk. When that is full, reading waits.
*/}}
{{- define "monitoring.shipper.config" -}}
extensions:
  file_storage:
    directory: /var/lib/shipper
    fsync: true
    create_directory: true
  health_check:
    endpoint: 0.0.0.0:13133

receivers:
  file_log:
    include:
      - /var/log/pods/{{ .Values.shipper.baseNamespace }}_*/*/*.log
      - /var/log/pods/{{ .Values.shipper.baseNamespace }}-*_*/*/*.log
    start_at: beginning
    poll_interval: 500ms
    storage: file_storage
    include_file_path: true
    include_file_record_offset: true
    # A longer line becomes several.
    max_log_size: 1MiB
    retry_on_failure:
      enabled: true
      max_elapsed_time: 0s
    operators:
      # Takes the runtime's frame off, puts lines that it has cut together, and names pod and container by the path.
      - type: container
        format: containerd

exporters:
  elasticsearch:
    endpoint: {{ include "monitoring.shipper.endpoint" . }}
    {{- if include "monitoring.elasticsearch.authority" . }}
    ca_file: /run/authority/ca.crt
    {{- end }}
    user: {{ .Values.elasticsearch.outside.writer | quote }}
    {{- if .Values.elasticsearch.outside.url }}
    # Of its own one `keeper` sees to it.
    template_file: /etc/shipper/template.json
    {{- end }}
    password_file: /run/secrets/elasticsearch/writer
    environment: {{ required "shipper.environment: the environment of baseNamespace" .Values.shipper.environment | quote }}
    base_namespace: {{ .Values.shipper.baseNamespace | quote }}
    index: airflow
    retry_on_failure:
      initial_interval: 1s
      max_interval: 10s
      # For ever.
      max_elapsed_time: 0s
    sending_queue:
      storage: file_storage
      sizer: bytes
      queue_size: {{ mul (trimSuffix "Mi" .Values.shipper.buffer | int64) 1048576 }}
      block_on_overflow: true
      num_consumers: 2
      batch:
        sizer: bytes
        flush_timeout: 500ms
        min_size: 1000000
        max_size: 4000000

service:
  extensions: [file_storage, health_check]
  pipelines:
    logs:
      receivers: [file_log]
      exporters: [elasticsearch]
  telemetry:
    logs:
      level: warn
    metrics:
      level: none
{{- end }}
