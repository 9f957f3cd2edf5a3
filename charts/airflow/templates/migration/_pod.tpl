{{/*
What is no failed try (a node that goes), and what another try will not mend: a database of a newer Airflow, or one
that another Fernet key encrypted (EXIT_CODE of images/airflow/scripts/schema_versions.py).
*/}}
{{- define "airflow.migration.failures" -}}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
    - action: FailJob
      onExitCodes:
        containerName: migrate
        operator: In
        values: [3]
{{- end }}

{{/* The pod of the migration Job. */}}
{{- define "airflow.migration.pod" -}}
metadata:
  labels:
    {{- include "airflow.labels" (dict "root" . "component" "migration") | nindent 4 }}
    {{- include "airflow.labels.usesDatabase" . | nindent 4 }}
    {{- include "airflow.extraLabels" .Values.migration | nindent 4 }}
  annotations:
    {{- $reads := list "fernet" "jwt" "api" "database" "admin" }}
    {{- if include "airflow.celery.resultsDatabase" . }}{{ $reads = append $reads "celery" }}{{ end }}
    {{- if and .Values.secrets.celeryLogins (include "airflow.celery.resultsDatabase" .) }}{{ $reads = append $reads "celeryLogins" }}{{ end }}
    {{- if include "airflow.declared.readsConfig" . }}{{ $reads = append $reads "declared" }}{{ end }}
    {{- if and .Values.access .Values.secrets.access }}{{ $reads = append $reads "access" }}{{ end }}
    {{- if include "airflow.logins.reads" . }}{{ $reads = append $reads "logins" }}{{ end }}
    {{- if include "airflow.monitor.reads" . }}{{ $reads = append $reads "monitor" }}{{ end }}
    {{- include "airflow.checksums" (dict "root" . "reads" $reads) | nindent 4 }}
    {{- with .Values.access }}
    checksum/access: {{ sha256sum . }}
    {{- end }}
    checksum/declared: {{ include "airflow.declared" . | sha256sum }}
    {{- include "airflow.extraAnnotations" .Values.migration | nindent 4 }}
spec:
  # Failed pods stay, with their logs, and are counted: Helm then knows that the Job has failed.
  restartPolicy: Never
  {{- include "airflow.componentPlacement" (dict "root" . "component" "migration" "options" .Values.migration) | nindent 2 }}
  {{- include "airflow.pod" . | nindent 2 }}
    - name: declared
      configMap:
        name: {{ include "airflow.name.declared" . }}
    {{- include "airflow.extraVolumes" .Values.migration | nindent 4 }}
  containers:
    - name: migrate
      # The last lines of a failure, for whoever asks for the pod's status.
      terminationMessagePolicy: FallbackToLogsOnError
      {{- include "airflow.container" . | nindent 6 }}
        - name: declared
          mountPath: /opt/airflow/declared
          readOnly: true
        {{- include "airflow.extraMounts" .Values.migration | nindent 8 }}
      args: [python, /opt/airflow/scripts/prepare_database.py]
      env:
        {{- include "airflow.directSecrets" . | nindent 8 }}
        {{- include "airflow.adminAccount" . | nindent 8 }}
        {{- include "airflow.declared.env" . | nindent 8 }}
        {{- include "airflow.access.env" . | nindent 8 }}
        {{- include "airflow.extraEnv" (dict "root" . "options" .Values.migration) | nindent 8 }}
        {{- include "airflow.celery.resultsDatabase" . | nindent 8 }}
        {{- include "airflow.logins.env" . | nindent 8 }}
        {{- include "airflow.monitor.env" . | nindent 8 }}
        # It writes a thousand rows of permissions, a line of log for each.
        - name: AIRFLOW__LOGGING__LOGGING_LEVEL
          value: WARNING
      resources:
        {{- toYaml .Values.migration.resources | nindent 8 }}
{{- end }}
