{{/*
Airflow's settings, as AIRFLOW__SECTION__KEY, as JSON. One list for all components, tasks included,
so nothing secret is in here. Values under `config` win.

Heartbeat interval of workers: for as long a task's pod may overlook that the task has ended
(it waits for a heartbeat or a word from the task, and the end is neither), and only then does
the log go to S3.

Retries of the execution API: a task waits three minutes for an api-server or a database that is away. Airflow's own
values end after ten seconds, and with them tasks that start, hand on a value or send their third heartbeat meanwhile.
*/}}
{{- define "airflow.settings" -}}
{{- $executionUrl := printf "http://%s.%s.svc:%v/execution/" (include "airflow.name.apiServer" .) .Release.Namespace .Values.ui.port -}}
{{- $settings := dict
  "AIRFLOW__CORE__EXECUTOR" (include "airflow.executorClasses" .)
  "AIRFLOW__CORE__AUTH_MANAGER" "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
  "AIRFLOW__CORE__LOAD_EXAMPLES" "False"
  "AIRFLOW__CORE__PARALLELISM" (include "airflow.parallelism" .)
  "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION" (ternary "True" "False" .Values.dagsPausedAtCreation)
  "AIRFLOW__CORE__EXECUTION_API_SERVER_URL" $executionUrl
  "AIRFLOW__CORE__HOSTNAME_CALLABLE" "airflow.utils.net.get_host_ip_address"
  "AIRFLOW__DATABASE__CHECK_MIGRATIONS" "False"
  "AIRFLOW__API__PORT" "8080"
  "AIRFLOW__API__WORKERS" .Values.apiServer.workers
  "AIRFLOW__FAB__UPDATE_FAB_PERMS" "False"
  "AIRFLOW__FAB__COOKIE_SAMESITE" "Lax"
  "AIRFLOW__FAB__SESSION_LIFETIME_MINUTES" .Values.ui.sessionMinutes
  "AIRFLOW__FAB__SESSION_MAX_LIFETIME_MINUTES" .Values.ui.sessionMinutes
  "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL" "60"
  "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME" .Values.scheduler.idleSleepSeconds
  "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES" .Values.dagProcessor.parsingProcesses
  "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL" .Values.dagProcessor.parseIntervalSeconds
  "AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL" "300"
  "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL" "2"
  "AIRFLOW__WORKERS__EXECUTION_API_RETRIES" "30"
  "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX" "15"
  "AIRFLOW__TRIGGERER__CAPACITY" .Values.triggerer.capacity
  "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG" "False"
  "AERODROME_IMAGE" (include "airflow.image" .)
-}}
{{- with include "airflow.ui.baseUrl" . }}
{{- $_ := set $settings "AIRFLOW__API__BASE_URL" . }}
{{- if hasPrefix "https://" . }}
{{- $_ := set $settings "AIRFLOW__FAB__COOKIE_SECURE" "True" }}
{{- end }}
{{- end }}
{{- with .Values.logs }}
{{- if .bucket }}
{{- $folder := printf "s3://%s/%s" .bucket .prefix | trimSuffix "/" }}
{{- $_ := set $settings "AIRFLOW__LOGGING__REMOTE_LOGGING" "True" }}
{{- $_ := set $settings "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER" $folder }}
{{- $_ := set $settings "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID" "aerodrome_logs" }}
{{- $_ := set $settings "AIRFLOW_CONN_AERODROME_LOGS" (include "airflow.logs.connection" (dict "root" $ "attempts" 3)) }}
{{- end }}
{{- $_ := set $settings "AIRFLOW_CONN_AWS_DEFAULT" (printf "aws:///?region_name=%s" .region) }}
{{- end }}
{{- with include "airflow.xcom.folder" . }}
{{- $_ := set $settings "AIRFLOW__CORE__XCOM_BACKEND" "aerodrome_xcom.XComBackend" }}
{{- $_ := set $settings "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH" . }}
{{- $_ := set $settings "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD" ($.Values.xcom.thresholdBytes | int64) }}
{{- $_ := set $settings "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_COMPRESSION" ($.Values.xcom.compression | replace "none" "") }}
{{- end }}
{{- with .Values.secretsBackend }}
{{- if ne .service "none" }}
{{- $_ := set $settings "AIRFLOW__SECRETS__BACKEND" "aerodrome_secrets.SecretsBackend" }}
{{- $_ := set $settings "AIRFLOW__SECRETS__BACKEND_KWARGS" (dict "service" .service "folder" .folder "region" .region "cache_seconds" (int .cacheSeconds) | toJson) }}
{{- /* Tasks, and processes that read DAG files, have none of their own: they ask the component that they ask anyway, whose
       cache serves all of them (ADR 36). Left empty it would be that of above; the environment they look into anyway. */}}
{{- $_ := set $settings "AIRFLOW__WORKERS__SECRETS_BACKEND" "airflow.secrets.environment_variables.EnvironmentVariablesBackend" }}
{{- end }}
{{- end }}
{{- include "airflow.dags.check" . }}
{{- with include "airflow.dags.bundles" . }}
{{- $_ := set $settings "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST" . }}
{{- /* By default Airflow keeps a DAG's structure for 30 s, and takes the new version for it at once: a run that
       begins in between has tasks that its version's code does not have, and hangs. */}}
{{- $_ := set $settings "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL" "0" }}
{{- end }}
{{- if and (eq .Values.dags.source "git") .Values.dags.git.knownHosts }}
{{- $_ := set $settings "AERODROME_KNOWN_HOSTS" .Values.dags.git.knownHosts }}
{{- end }}
{{- if include "airflow.taskPods" . }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE" .Release.Namespace }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE" "/opt/airflow/pod-template/pod.yaml" }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS" "True" }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS_ON_FAILURE" (ternary "False" "True" .Values.workers.keepFailedPods) }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE" .Values.workers.creationBatchSize }}
{{- $_ := set $settings "AERODROME_WARM_POOL" .Values.workers.warmPool }}
{{- end }}
{{- /* A pod that dies before its task has begun is made again; that uses up no try. */}}
{{- if include "airflow.taskPods" . }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__POD_LAUNCH_FAILURE_RETRIES" "3" }}
{{- end }}
{{- /* For the image's aerodrome_policy.py: what the pods get that tasks start. */}}
{{- $_ := set $settings "AERODROME_NAMESPACE" .Release.Namespace }}
{{- $_ := set $settings "AERODROME_IMAGE" (include "airflow.image" .) }}
{{- if .Values.workers.restrictedPods }}
{{- $_ := set $settings "AERODROME_RESTRICTED_PODS" "true" }}
{{- end }}
{{- with (fromJson (default "{}" .Values.access)).owners }}
{{- $_ := set $settings "AERODROME_OWNERS" (toJson .) }}
{{- /* Authors then shape their tasks' pods within limits: the image's task_overrides.py. */}}
{{- if include "airflow.taskPods" $ }}
{{- $_ := set $settings "AERODROME_OWNED" "true" }}
{{- end }}
{{- with include "airflow.taskAccountOwners" $ }}
{{- $_ := set $settings "AERODROME_TASK_ACCOUNTS" . }}
{{- end }}
{{- end }}
{{- /* In both spellings: curl and git know the small ones only for HTTP. */}}
{{- with .Values.proxy }}
{{- $proxy := dict "HTTP_PROXY" .http "HTTPS_PROXY" .https "NO_PROXY" (ternary (join "," .exceptions) "" (or (ne .http "") (ne .https ""))) }}
{{- range $name, $value := $proxy }}
{{- if $value }}
{{- $_ := set $settings $name $value }}
{{- $_ := set $settings (lower $name) $value }}
{{- end }}
{{- end }}
{{- end }}
{{- include "airflow.celery.settings" (dict "root" . "settings" $settings) }}
{{- include "airflow.metrics.settings" (dict "root" . "settings" $settings) }}
{{- range $section, $keys := .Values.config }}
{{- range $key, $value := $keys }}
{{- $_ := set $settings (printf "AIRFLOW__%s__%s" (upper $section | replace "." "_") (upper $key)) $value }}
{{- end }}
{{- end }}
{{- range $name, $value := $settings }}
{{- $_ := set $settings $name (toString $value) }}
{{- end }}
{{- toJson $settings }}
{{- end }}

{{/*
StatsD with tags, as InfluxDB has them, by the image's aerodrome_metrics.py. Tags that have one value for each run would each be
a series for ever: they are dropped before anything is counted. Call with (dict "root" $ "settings" $settings).
*/}}
{{- define "airflow.metrics.settings" -}}
{{- with .root.Values.metrics }}
{{- if .enabled }}
{{- $_ := set $.settings "AIRFLOW__METRICS__STATSD_ON" "True" }}
{{- $_ := set $.settings "AIRFLOW__METRICS__STATSD_HOST" (required "metrics.host: where Telegraf listens" .host) }}
{{- $_ := set $.settings "AIRFLOW__METRICS__STATSD_PORT" (int .port) }}
{{- $_ := set $.settings "AIRFLOW__METRICS__STATSD_PREFIX" "airflow" }}
{{- $_ := set $.settings "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED" "True" }}
{{- $_ := set $.settings "AIRFLOW__METRICS__STATSD_DISABLED_TAGS" "job_id,run_id" }}
{{- $_ := set $.settings "AIRFLOW__METRICS__STATSD_CUSTOM_CLIENT_PATH" "aerodrome_metrics.Client" }}
{{- $_ := set $.settings "AIRFLOW__METRICS__STAT_NAME_HANDLER" "aerodrome_metrics.stat_name" }}
{{- /* These have names of DAGs and files in their own names, whatever the next setting says: a measurement for each. */}}
{{- $_ := set $.settings "AIRFLOW__METRICS__METRICS_BLOCK_LIST" "^dagrun\\..+\\.first_task_scheduling_delay,^dag_processing\\.last_num_of_db_queries\\." }}
{{- /* The same once more, with names of DAGs and tasks in the names of metrics. */}}
{{- $_ := set $.settings "AIRFLOW__METRICS__LEGACY_NAMES_ON" "False" }}
{{- $_ := set $.settings "AERODROME_ENVIRONMENT" $.root.Values.environment }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Where logs of tasks are written and read. It is a connection of its own because of the patience: who only reads
(the UI) must not hang when S3 is away. Call with (dict "root" $ "attempts" 3).
*/}}
{{- define "airflow.logs.connection" -}}
{{- $retries := dict "mode" "standard" "total_max_attempts" .attempts -}}
{{- $client := dict "connect_timeout" 5 "read_timeout" 30 "retries" $retries -}}
{{- dict "conn_type" "aws" "extra" (dict "region_name" .root.Values.logs.region "config_kwargs" $client) | toJson -}}
{{- end }}

{{/*
For who runs tasks, an item of `env`: a task's log that S3 does not take is asked for again, with pauses of up to 20 s,
for five minutes. Afterwards it is lost with the pod.
*/}}
{{- define "airflow.logs.patience" -}}
{{- if .Values.logs.bucket -}}
- name: AIRFLOW_CONN_AERODROME_LOGS
  value: {{ include "airflow.logs.connection" (dict "root" . "attempts" 25) | quote }}
{{- end -}}
{{- end }}

{{/*
Settings that one component reads and no other, so that a change replaces that component's pods only.
Whole sections are no measure: the DAG-processor reads of `scheduler`, tasks of `api` and `triggerer`.
*/}}
{{- define "airflow.settings.readers" -}}
AIRFLOW__API__WORKERS: api-server
AIRFLOW__CORE__PARALLELISM: scheduler
AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME: scheduler
AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS: scheduler
AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS_ON_FAILURE: scheduler
AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE: scheduler
AERODROME_WARM_POOL: scheduler
AERODROME_OWNERS: dag-processor
AERODROME_OWNED: scheduler
AERODROME_TASK_ACCOUNTS: scheduler
AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES: dag-processor
AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL: dag-processor
AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL: dag-processor
AIRFLOW__TRIGGERER__CAPACITY: triggerer
{{- end }}

{{/* What all read: the content of the ConfigMap. */}}
{{- define "airflow.environment" -}}
{{- $readers := include "airflow.settings.readers" . | fromYaml }}
{{- range $name, $value := include "airflow.settings" . | fromJson }}
{{- if not (hasKey $readers $name) }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* What one component reads beside it, for its `env`. Call with (dict "root" $ "component" "scheduler"). */}}
{{- define "airflow.ownEnvironment" -}}
{{- $readers := include "airflow.settings.readers" .root | fromYaml }}
{{- range $name, $value := include "airflow.settings" .root | fromJson }}
{{- if eq (get $readers $name) $.component }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
