{{/*
The service accounts of tasks, as a JSON list; empty where tasks are in AWS who Airflow is. The first is that of tasks that are no
owner's with a role of its own: infra/contract/task_accounts.py has the same name.
*/}}
{{- define "airflow.taskAccounts" -}}
{{- $found := list -}}
{{- range $name, $owner := (fromJson (default "{}" .Values.access)).owners -}}
{{- with $owner.account }}{{- $found = append $found . -}}{{- end -}}
{{- end -}}
{{- if $found -}}
{{- $executor := include "airflow.executor" . | fromJson -}}
{{- range $executor.runsTasks -}}
{{- if has . $executor.components -}}
{{- fail (printf "access: owners with taskPolicies need an executor with a pod for each task, and with %s tasks of several owners share one" $.Values.executor) -}}
{{- end -}}
{{- end -}}
{{- if .Values.workers.startPods -}}
{{- fail "access: owners with taskPolicies need workers.startPods: false: a task could start a pod that is another owner's in AWS" -}}
{{- end -}}
{{- $found = prepend ($found | uniq | sortAlpha) "airflow-tasks" -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/* What the scheduler reads to choose one for a task's pod; empty if there are none. */}}
{{- define "airflow.taskAccountOwners" -}}
{{- if gt (include "airflow.taskAccounts" . | fromJsonArray | len) 0 -}}
{{- $owners := dict -}}
{{- range $name, $owner := (fromJson .Values.access).owners -}}
{{- $_ := set $owners $name (pick $owner "folders" "prefixes" "account") -}}
{{- end -}}
{{- toJson $owners -}}
{{- end -}}
{{- end }}
