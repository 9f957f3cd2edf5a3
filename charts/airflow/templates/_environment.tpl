{{/*
Airflow's settings, as AIRFLOW__SECTION__KEY. One list for all components, tasks included, so
nothing secret is in here. Values under `config` win.

Heartbeat interval of workers: for as long a task's pod may overlook that the task has ended
(it waits for a heartbeat or a word from the task, and the end is neither), and only then does
the log go to S3.
*/}}
{{- define "airflow.environment" -}}
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
  "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME" .Values.scheduler.idleSleepSeconds
  "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES" .Values.dagProcessor.parsingProcesses
  "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL" .Values.dagProcessor.parseIntervalSeconds
  "AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL" "300"
  "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL" "2"
  "AIRFLOW__TRIGGERER__CAPACITY" .Values.triggerer.capacity
  "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG" "False"
-}}
{{- with .Values.ui.baseUrl }}
{{- $_ := set $settings "AIRFLOW__API__BASE_URL" . }}
{{- end }}
{{- with .Values.logs }}
{{- if .bucket }}
{{- $folder := printf "s3://%s/%s" .bucket .prefix | trimSuffix "/" }}
{{- $_ := set $settings "AIRFLOW__LOGGING__REMOTE_LOGGING" "True" }}
{{- $_ := set $settings "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER" $folder }}
{{- $_ := set $settings "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID" "aws_default" }}
{{- end }}
{{- $_ := set $settings "AIRFLOW_CONN_AWS_DEFAULT" (printf "aws:///?region_name=%s" .region) }}
{{- end }}
{{- if include "airflow.taskPods" . }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE" .Release.Namespace }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE" "/opt/airflow/pod-template/pod.yaml" }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS" "True" }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS_ON_FAILURE" (ternary "False" "True" .Values.workers.keepFailedPods) }}
{{- $_ := set $settings "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE" .Values.workers.creationBatchSize }}
{{- end }}
{{- include "airflow.celery.settings" (dict "root" . "settings" $settings) }}
{{- range $section, $keys := .Values.config }}
{{- range $key, $value := $keys }}
{{- $_ := set $settings (printf "AIRFLOW__%s__%s" (upper $section) (upper $key)) $value }}
{{- end }}
{{- end }}
{{- range $name, $value := $settings }}
{{ $name }}: {{ toString $value | quote }}
{{- end }}
{{- end }}
