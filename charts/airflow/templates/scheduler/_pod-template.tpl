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

{{/*
Each task's pod is made from the file as it is then, but a running pod sees a changed ConfigMap a minute
late: the first tasks after an upgrade would start as before it.
*/}}
{{- define "airflow.podTemplateChecksum" -}}
{{- if include "airflow.taskPods" . -}}
checksum/pod-template: {{ include "airflow.workerPod" . | sha256sum }}
{{- end }}
{{- end }}
