{{/* The pod that makes a backup. Its service account, which no task has, may add objects to the backups' folder. */}}
{{- define "airflow.backup.pod" -}}
{{- $own := dict "Values" (dict "serviceAccount" (dict "name" .Values.backup.serviceAccount)) -}}
metadata:
  labels:
    {{- include "airflow.labels" (dict "root" . "component" "backup") | nindent 4 }}
    {{- include "airflow.labels.usesDatabase" . | nindent 4 }}
spec:
  restartPolicy: Never
  {{- include "airflow.placement" (dict "root" . "place" .Values) | nindent 2 }}
  {{- include "airflow.pod" (merge $own .) | nindent 2 }}
  containers:
    - name: backup
      {{- include "airflow.container" . | nindent 6 }}
      args: [python, /opt/airflow/scripts/backup_database.py]
      env:
        {{- include "airflow.directSecrets" . | nindent 8 }}
        - name: BACKUP_BUCKET
          value: {{ required "backup.bucket: where do the backups go?" .Values.backup.bucket | quote }}
        - name: BACKUP_PREFIX
          value: {{ .Values.backup.prefix | quote }}
        - name: BACKUP_ENVIRONMENT
          value: {{ .Values.environment | quote }}
      resources:
        {{- toYaml .Values.backup.resources | nindent 8 }}
{{- end }}
