{{/* The pattern of the tasks' pods, as the scheduler finds it. */}}
{{- define "airflow.podTemplateVolume" -}}
{{- if eq .Values.executor "KubernetesExecutor" -}}
- name: pod-template
  configMap:
    name: {{ include "airflow.name.podTemplate" . }}
{{- end }}
{{- end }}

{{- define "airflow.podTemplateMount" -}}
{{- if eq .Values.executor "KubernetesExecutor" -}}
- name: pod-template
  mountPath: /opt/airflow/pod-template
  readOnly: true
{{- end }}
{{- end }}
