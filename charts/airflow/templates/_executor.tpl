{{/*
What an executor is, as capabilities: no template asks for one by its name. The table is
executors.json; infra/contract/executors.py reads the same and says what its fields mean.
*/}}
{{- define "airflow.executor" -}}
{{- get (.Files.Get "executors.json" | fromJson) .Values.executor | toJson -}}
{{- end }}

{{/* Whether each task has a pod of its own, which ends with it; empty if not. */}}
{{- define "airflow.taskPods" -}}
{{- $executor := include "airflow.executor" . | fromJson -}}
{{- if not (has $executor.runsTasks $executor.components) -}}true{{- end -}}
{{- end }}

{{/*
Whether a component's pods get a token for the Kubernetes API: true or false. The executor's own do;
and where tasks may start pods, who runs tasks, and the triggerer, which waits for those pods.
*/}}
{{- define "airflow.kubernetesToken" -}}
{{- $executor := include "airflow.executor" .root | fromJson -}}
{{- $runs := list $executor.runsTasks "triggerer" -}}
{{- or (has .component $executor.kubernetesToken) (and .root.Values.workers.startPods (has .component $runs)) -}}
{{- end }}
