{{/*
The pod that moves old rows of the database to the bucket. Its service account, which no task has, may add
objects to the archive's folder.
*/}}
{{- define "airflow.databaseClean.pod" -}}
{{- $own := dict "Values" (dict "serviceAccount" (dict "name" .Values.databaseClean.serviceAccount)) -}}
metadata:
  labels:
    {{- include "airflow.labels" (dict "root" . "component" "database-clean") | nindent 4 }}
    {{- include "airflow.labels.usesDatabase" . | nindent 4 }}
spec:
  restartPolicy: Never
  {{- include "airflow.placement" (dict "root" . "place" .Values) | nindent 2 }}
  {{- include "airflow.pod" (merge $own .) | nindent 2 }}
  containers:
    - name: clean
      {{- include "airflow.container" . | nindent 6 }}
      args: [python, /opt/airflow/scripts/clean_database.py]
      env:
        {{- include "airflow.directConnection" . | nindent 8 }}
        - name: CLEAN_KEEP_DAYS
          value: {{ .Values.databaseClean.keepDays | quote }}
        - name: CLEAN_BATCH_ROWS
          value: {{ .Values.databaseClean.batchRows | int64 | quote }}
        - name: CLEAN_BUCKET
          value: {{ required "databaseClean.bucket: where do the old rows go?" .Values.databaseClean.bucket | quote }}
        - name: CLEAN_PREFIX
          value: {{ .Values.databaseClean.prefix | quote }}
        - name: CLEAN_ENVIRONMENT
          value: {{ .Values.environment | quote }}
      resources:
        {{- toYaml .Values.databaseClean.resources | nindent 8 }}
{{- end }}
