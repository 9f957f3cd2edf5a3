{{/* Every name of an object is made here and nowhere else. */}}

{{- define "airflow.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "airflow.name.apiServer" -}}{{ include "airflow.name" . }}-api-server{{- end }}
{{- define "airflow.name.scheduler" -}}{{ include "airflow.name" . }}-scheduler{{- end }}
{{- define "airflow.name.dagProcessor" -}}{{ include "airflow.name" . }}-dag-processor{{- end }}
{{- define "airflow.name.triggerer" -}}{{ include "airflow.name" . }}-triggerer{{- end }}
{{- define "airflow.name.worker" -}}{{ include "airflow.name" . }}-worker{{- end }}
{{- define "airflow.name.celeryWorker" -}}{{ include "airflow.name" . }}-celery-worker{{- end }}
{{- define "airflow.name.workerAutoscaler" -}}{{ include "airflow.name" . }}-worker-autoscaler{{- end }}
{{- define "airflow.name.flower" -}}{{ include "airflow.name" . }}-flower{{- end }}
{{- define "airflow.name.redis" -}}{{ include "airflow.name" . }}-redis{{- end }}
{{- define "airflow.name.database" -}}{{ include "airflow.name" . }}-database{{- end }}
{{- define "airflow.name.pgbouncer" -}}{{ include "airflow.name" . }}-pgbouncer{{- end }}
{{- define "airflow.name.backup" -}}{{ include "airflow.name" . }}-backup{{- end }}
{{- define "airflow.name.databaseClean" -}}{{ include "airflow.name" . }}-database-clean{{- end }}
{{- define "airflow.name.xcomSweep" -}}{{ include "airflow.name" . }}-xcom-sweep{{- end }}
{{- define "airflow.name.config" -}}{{ include "airflow.name" . }}-config{{- end }}
{{- define "airflow.name.declared" -}}{{ include "airflow.name" . }}-declared{{- end }}
{{- define "airflow.name.podTemplate" -}}{{ include "airflow.name" . }}-pod-template{{- end }}
{{- define "airflow.name.launcher" -}}{{ include "airflow.name" . }}-pod-launcher{{- end }}

{{/* A Job cannot be changed: whatever changes in it makes another one. */}}
{{- define "airflow.name.migration" -}}
{{ include "airflow.name" . }}-migrate-{{ print (include "airflow.migration.pod" .) (include "airflow.migration.failures" .) | sha256sum | trunc 8 }}
{{- end }}
