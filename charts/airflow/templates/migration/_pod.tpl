{{/* The pod of the migration Job: all of it is in the Job's name, because a Job cannot be changed. */}}
{{- define "airflow.migration.pod" -}}
metadata:
  labels:
    {{- include "airflow.labels" (dict "root" . "component" "migration") | nindent 4 }}
    {{- include "airflow.labels.usesDatabase" . | nindent 4 }}
  annotations:
    checksum/secrets: {{ .Values.secretsChecksum | quote }}
spec:
  restartPolicy: OnFailure
  {{- include "airflow.placement" (dict "root" . "place" .Values) | nindent 2 }}
  {{- include "airflow.pod" . | nindent 2 }}
  containers:
    - name: migrate
      {{- include "airflow.container" . | nindent 6 }}
      args: [python, /opt/airflow/scripts/prepare_database.py]
      env:
        {{- include "airflow.secrets" . | nindent 8 }}
        {{- include "airflow.adminAccount" . | nindent 8 }}
        {{- include "airflow.celery.resultsDatabase" . | nindent 8 }}
        # It writes a thousand rows of permissions, a line of log for each.
        - name: AIRFLOW__LOGGING__LOGGING_LEVEL
          value: WARNING
      resources:
        {{- toYaml .Values.migration.resources | nindent 8 }}
{{- end }}
