{{/* The pattern of the tasks' pods, as the scheduler finds it. */}}
{{- define "airflow.podTemplateVolume" -}}
{{- if include "airflow.taskPods" . -}}
- name: pod-template
  configMap:
    name: {{ include "airflow.name.podTemplate" . }}
{{- end }}
{{- end }}

{{- define "airflow.podTemplateMount" -}}
{{- if include "airflow.taskPods" . -}}
- name: pod-template
  mountPath: /opt/airflow/pod-template
  readOnly: true
{{- end }}
{{- end }}
