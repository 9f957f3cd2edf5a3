{{/*
What the chart's CronJobs have in common, as the head of their `spec`: one run at a time, in UTC; one that was
missed, while nodes were away, is made up for within the hour. Call with the schedule.
*/}}
{{- define "airflow.cron" -}}
schedule: {{ . | quote }}
timeZone: Etc/UTC
concurrencyPolicy: Forbid
startingDeadlineSeconds: 3600
successfulJobsHistoryLimit: 1
failedJobsHistoryLimit: 1
{{- end }}
