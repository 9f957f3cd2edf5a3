{{/*
Reading logs of tasks from Elasticsearch, by the image's aerodrome_logs.py: the api-server alone does, and it alone has the
password. Tasks write to S3 whatever is said here.
*/}}

{{/* Whether it does; empty if not. */}}
{{- define "airflow.taskLogs.searched" -}}
{{- if eq .Values.taskLogs.source "elasticsearch" -}}true{{- end -}}
{{- end }}

{{/* The Secrets that the api-server reads, as keys of `secrets`, as JSON. */}}
{{- define "airflow.apiServer.reads" -}}
{{- $reads := include "airflow.dags.reads" . | fromJsonArray -}}
{{- if include "airflow.taskLogs.searched" . }}{{ $reads = append $reads "taskLogs" }}{{ end -}}
{{- if .Values.oidc.issuer }}{{ $reads = append $reads "oidc" }}{{ end -}}
{{- toJson $reads -}}
{{- end }}

{{/* Items of `env`. Who waits for a server that is away gets the log from S3 five seconds later. */}}
{{- define "airflow.taskLogs.environment" -}}
{{- if include "airflow.taskLogs.searched" . -}}
{{- $server := .Values.taskLogs.elasticsearch -}}
{{- range $name, $value := dict
  "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS" "aerodrome_logs.LOGGING_CONFIG"
  "AIRFLOW__ELASTICSEARCH__HOST" (required "taskLogs.elasticsearch.url: where Elasticsearch is" $server.url)
  "AIRFLOW__ELASTICSEARCH__INDEX_PATTERNS" (required "taskLogs.elasticsearch.indices: those of the environment" $server.indices)
  "AIRFLOW__ELASTICSEARCH__HOST_FIELD" "pod"
  "AIRFLOW__ELASTICSEARCH__MAX_LINES_PER_PAGE" "5000"
  "AIRFLOW__ELASTICSEARCH__FRONTEND" $server.frontend
  "AIRFLOW__ELASTICSEARCH__ES_COMPAT_WITH" "8"
  "AIRFLOW__ELASTICSEARCH_CONFIGS__CA_CERTS" (include "airflow.taskLogs.authority" $)
  "AIRFLOW__ELASTICSEARCH_CONFIGS__REQUEST_TIMEOUT" "5"
  "AIRFLOW__ELASTICSEARCH_CONFIGS__MAX_RETRIES" "0"
}}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
- name: AIRFLOW__ELASTICSEARCH_CONFIGS__BASIC_AUTH
  valueFrom:
    secretKeyRef:
      name: {{ required "secrets.taskLogs: the Secret with basic-auth" .Values.secrets.taskLogs }}
      key: basic-auth
{{- end -}}
{{- end }}

{{/* The file with what proves the server; empty: whoever the public authorities vouch for. */}}
{{- define "airflow.taskLogs.authority" -}}
{{- with .Values.taskLogs.elasticsearch.authority -}}
{{- if .configMap -}}/run/task-logs/ca.crt{{- end -}}
{{- end -}}
{{- end }}

{{/* The init container that fetches it from another namespace, which no volume reaches. */}}
{{- define "airflow.taskLogs.fetch" -}}
{{- if and (include "airflow.taskLogs.searched" .) (include "airflow.taskLogs.authority" .) -}}
{{- $authority := .Values.taskLogs.elasticsearch.authority -}}
- name: fetch-authority
  image: {{ include "airflow.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [python, /opt/airflow/scripts/fetch_authority.py, {{ $authority.namespace | quote }}, {{ $authority.configMap | quote }}, {{ include "airflow.taskLogs.authority" . | quote }}]
  securityContext:
    {{- include "airflow.confinement" . | nindent 4 }}
  resources:
    {{- toYaml .Values.migration.waitResources | nindent 4 }}
  volumeMounts:
    - {name: task-logs, mountPath: /run/task-logs}
    - {name: task-logs-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end -}}
{{- end }}

{{- define "airflow.taskLogs.mounts" -}}
{{- if and (include "airflow.taskLogs.searched" .) (include "airflow.taskLogs.authority" .) -}}
- {name: task-logs, mountPath: /run/task-logs, readOnly: true}
{{- end -}}
{{- end }}

{{- define "airflow.taskLogs.volumes" -}}
{{- if and (include "airflow.taskLogs.searched" .) (include "airflow.taskLogs.authority" .) -}}
- name: task-logs
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: task-logs-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
{{- end -}}
{{- end }}
