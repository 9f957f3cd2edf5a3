{{/* What the pods of Celery share. */}}

{{- define "airflow.celery.secret" -}}
{{- required "secrets.celery: an executor needs Redis; the Secret has broker-url, result-backend, redis-password" .Values.secrets.celery -}}
{{- end }}

{{/* Airflow's settings of Celery, added to the dictionary `settings`. Nothing secret. */}}
{{- define "airflow.celery.settings" -}}
{{- if include "airflow.runs" (dict "root" .root "component" "celery-worker") -}}
{{- with .root.Values.celery -}}
{{- $_ := set $.settings "AIRFLOW__CELERY__WORKER_CONCURRENCY" .concurrency -}}
{{- $_ := set $.settings "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER" .prefetchMultiplier -}}
{{- $_ := set $.settings "AIRFLOW__CELERY__POOL" .pool -}}
{{- $_ := set $.settings "AIRFLOW__OPERATORS__DEFAULT_QUEUE" (first .queues) -}}
{{- $_ := set $.settings "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT" .visibilityTimeoutSeconds -}}
{{- /* Kombu asks Redis for a second at a time. Without this, an answer that a Redis which has died owes it is waited for for ever,
and the worker, though connected to the next one, takes no task any more. */ -}}
{{- $_ := set $.settings "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__SOCKET_TIMEOUT" 10 -}}
{{- /* Or Flower would show only what began after it had found a worker. */ -}}
{{- $_ := set $.settings "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG" "{\"worker_send_task_events\": true}" -}}
{{- /* As pods of tasks do: the shipper of logs reads there. */ -}}
{{- $_ := set $.settings "AIRFLOW__CELERY__TASK_LOGS_TO_STDOUT" "True" -}}
{{- $_ := set $.settings "AIRFLOW__CELERY__JSON_LOGS" "True" -}}
{{- with .autoscale -}}
{{- $_ := set $.settings "AIRFLOW__CELERY__WORKER_AUTOSCALE" . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The queue, for those who need no more. */}}
{{- define "airflow.celery.broker" -}}
- name: AIRFLOW__CELERY__BROKER_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "airflow.celery.secret" . }}
      key: broker-url
{{- end }}

{{/* The queue and where results go, for who sends and who runs tasks; nothing where there is no queue. */}}
{{- define "airflow.celery.secrets" -}}
{{- if include "airflow.runs" (dict "root" . "component" "redis") -}}
{{ include "airflow.celery.broker" . }}
- name: AIRFLOW__CELERY__RESULT_BACKEND
  valueFrom:
    secretKeyRef:
      name: {{ include "airflow.celery.secret" . }}
      key: result-backend
{{- end -}}
{{- end }}

{{/* For the migration Job, where it makes the results' database. */}}
{{- define "airflow.celery.resultsDatabase" -}}
{{- if and .Values.celery.createResultsDatabase (include "airflow.runs" (dict "root" . "component" "redis")) -}}
- name: RESULTS_DATABASE
  valueFrom:
    secretKeyRef:
      name: {{ include "airflow.celery.secret" . }}
      key: results-database
{{- $keys := dict "RESULTS_PASSWORD" "results-password" }}
{{- if .Values.secrets.celeryLogins }}
{{- $keys = dict "RESULTS_PASSWORD" "password" "RESULTS_SECOND_USER" "second-username" "RESULTS_SECOND_PASSWORD" "second-password" }}
{{- end }}
{{- range $variable, $key := $keys }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secrets.celeryLogins | default (include "airflow.celery.secret" $) }}
      key: {{ $key }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Of pods that need the queue and no database. */}}
{{- define "airflow.celery.podMetadata" -}}
labels:
  {{- include "airflow.labels" . | nindent 2 }}
annotations:
  {{- include "airflow.checksums" . | nindent 2 }}
{{- end }}

{{/* Whether the number of workers follows the queue; empty if not. */}}
{{- define "airflow.celery.scales" -}}
{{- if gt (int (.Values.celery.workers.most | default 0)) (int .Values.celery.workers.fewest) -}}
{{ include "airflow.runs" (dict "root" . "component" "celery-worker") }}
{{- end -}}
{{- end }}

{{/* Tasks that one worker runs at once: with autoscale its upper number. */}}
{{- define "airflow.celery.tasksEach" -}}
{{- with .Values.celery -}}
{{- if .autoscale }}{{ splitList "," .autoscale | first }}{{ else }}{{ .concurrency }}{{ end -}}
{{- end -}}
{{- end }}
