{{/* Every name of an object is made here and nowhere else. */}}

{{- define "airflow.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "airflow.name.apiServer" -}}{{ include "airflow.name" . }}-api-server{{- end }}
{{- define "airflow.name.scheduler" -}}{{ include "airflow.name" . }}-scheduler{{- end }}
{{- define "airflow.name.dagProcessor" -}}{{ include "airflow.name" . }}-dag-processor{{- end }}
{{- define "airflow.name.triggerer" -}}{{ include "airflow.name" . }}-triggerer{{- end }}
{{- define "airflow.name.worker" -}}{{ include "airflow.name" . }}-worker{{- end }}
{{- define "airflow.name.database" -}}{{ include "airflow.name" . }}-database{{- end }}
{{- define "airflow.name.config" -}}{{ include "airflow.name" . }}-config{{- end }}
{{- define "airflow.name.podTemplate" -}}{{ include "airflow.name" . }}-pod-template{{- end }}
{{- define "airflow.name.launcher" -}}{{ include "airflow.name" . }}-pod-launcher{{- end }}

{{/* Jobs cannot be changed: another image, or other secrets, is another Job. */}}
{{- define "airflow.name.migration" -}}
{{- $what := printf "%s %s" (include "airflow.image" .) .Values.secretsChecksum -}}
{{ include "airflow.name" . }}-migrate-{{ sha256sum $what | trunc 8 }}
{{- end }}
