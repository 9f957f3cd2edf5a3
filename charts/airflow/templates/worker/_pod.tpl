{{/*
The pod of one task. It gets no secret: connections and variables come from the api-server,
with a token for this one task. The service account's Kubernetes token is another thing: with it
tasks start pods (KubernetesPodOperator), where `workers.startPods` says so.
*/}}
{{- define "airflow.workerPod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "airflow.name.worker" . }}
  labels:
    {{- include "airflow.labels" (dict "root" . "component" "worker") | nindent 4 }}
    {{- with include "airflow.extraLabels" .Values.workers }}{{ . | nindent 4 }}{{ end }}
  annotations:
    {{- /* Karpenter's and the Cluster Autoscaler's word: they move no node away from under a task. */}}
    {{- $kept := dict "karpenter.sh/do-not-disrupt" "true" "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" }}
    {{- toYaml (merge (deepCopy .Values.workers.podAnnotations) $kept) | nindent 4 }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: {{ .Values.workers.startPods }}
  terminationGracePeriodSeconds: {{ .Values.workers.terminationGracePeriodSeconds }}
  {{- include "airflow.placement" (dict "root" . "place" (include "airflow.taskPlace" . | fromYaml)) | nindent 2 }}
  {{- $accounts := include "airflow.taskAccounts" . | fromJsonArray }}
  {{- $account := first $accounts | default .Values.serviceAccount.name }}
  {{- include "airflow.pod" . | replace (printf "serviceAccountName: %s" .Values.serviceAccount.name) (printf "serviceAccountName: %s" $account) | nindent 2 }}
    {{- with include "airflow.extraVolumes" .Values.workers }}{{ . | nindent 4 }}{{ end }}
  {{- with .Values.workers.initContainers }}
  initContainers:
    {{- include "airflow.extraContainers" . | nindent 4 }}
  {{- end }}
  containers:
    - name: base
      {{- include "airflow.container" . | nindent 6 }}
        {{- with include "airflow.extraMounts" .Values.workers }}{{ . | nindent 8 }}{{ end }}
      env:
        # For scripts/run_task.py: by then the task has ended and its log is saved.
        - name: AERODROME_GRACE_SECONDS
          value: {{ .Values.workers.terminationGracePeriodSeconds | quote }}
        {{- with include "airflow.logs.patience" . }}{{ . | nindent 8 }}{{ end }}
        {{- with include "airflow.extraEnv" (dict "root" . "options" .Values.workers) }}{{ . | nindent 8 }}{{ end }}
      resources:
        {{- toYaml .Values.workers.resources | nindent 8 }}
    {{- with include "airflow.extraContainers" .Values.workers.extraContainers }}{{ . | nindent 4 }}{{ end }}
{{- end }}

{{/* Where pods of tasks run: on the nodes that are for tasks alone, if there are any; they bear a label and a taint. */}}
{{- define "airflow.taskPlace" -}}
{{- $place := pick .Values.workers "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" | deepCopy -}}
{{- with .Values.workers.ownNodes -}}
{{- $_ := set $place.nodeSelector . "true" -}}
{{- $taint := dict "key" . "operator" "Equal" "value" "true" "effect" "NoSchedule" -}}
{{- $_ := set $place "tolerations" (append $place.tolerations $taint) -}}
{{- end -}}
{{- toYaml $place -}}
{{- end }}
