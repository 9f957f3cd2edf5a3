{{/* The pattern of the tasks' pods, as the scheduler finds it. */}}
{{- define "airflow.podTemplateVolume" -}}
{{- if include "airflow.taskPods" . -}}
- name: pod-template
  configMap:
    name: {{ include "airflow.name.podTemplate" . }}
{{- end }}
{{- end }}

{{/*
The file, not the folder: so a scheduler that runs keeps the one that it started with. While the next release's
pods get ready, or when they never do, its tasks start with its own image, not with one of another Airflow.
*/}}
{{- define "airflow.podTemplateMount" -}}
{{- if include "airflow.taskPods" . -}}
- name: pod-template
  mountPath: /opt/airflow/pod-template/pod.yaml
  subPath: pod.yaml
  readOnly: true
{{- end }}
{{- end }}

{{/* A scheduler's file never changes: another one takes another scheduler. */}}
{{- define "airflow.podTemplateChecksum" -}}
{{- if include "airflow.taskPods" . -}}
checksum/pod-template: {{ include "airflow.workerPod" . | sha256sum }}
{{- end }}
{{- end }}
