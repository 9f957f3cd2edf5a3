{{/*
What users add to a component's pods, the same for all: its values are `options`, such as
.Values.scheduler. Each of these is empty where nothing is added.
*/}}

{{/* Where a component's pods run: its own options before those of all. Tasks have their own only. */}}
{{- define "airflow.componentPlacement" -}}
{{- $options := .options -}}
{{- $values := .root.Values -}}
{{- $spread := $options.topologySpreadConstraints -}}
{{- $replicas := include "airflow.mostReplicas" $options | int -}}
{{- if and (not $spread) (gt $replicas 1) -}}
{{- $spread = include "airflow.spread" . | fromYamlArray -}}
{{- end -}}
{{- $nodes := deepCopy $values.nodeSelector -}}
{{- range $label, $value := $options.nodeSelector -}}
{{- $_ := set $nodes $label $value -}}
{{- end -}}
{{- $place := dict
  "nodeSelector" $nodes
  "tolerations" (concat $values.tolerations $options.tolerations)
  "affinity" $options.affinity
  "topologySpreadConstraints" $spread
  "priorityClassName" ($options.priorityClassName | default $values.priorityClassName)
-}}
{{- include "airflow.placement" (dict "root" .root "place" $place) -}}
{{- end }}

{{/* How many pods there may be of it. */}}
{{- define "airflow.mostReplicas" -}}
{{- $replicas := .replicas | default 1 -}}
{{- with .autoscaling -}}
{{- if .enabled -}}
{{- $replicas = .maxReplicas -}}
{{- end -}}
{{- end -}}
{{- $replicas -}}
{{- end }}

{{/* On several nodes and zones where there are several: but one that has room is better than none. */}}
{{- define "airflow.spread" -}}
{{- $call := . -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "airflow.selector" $call | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{/* Items of a container's `env`: those of all pods, and this component's, which win. */}}
{{- define "airflow.extraEnv" -}}
{{- $items := dict -}}
{{- range list .root.Values .options -}}
{{- range $name, $value := .env -}}
{{- $_ := set $items $name (dict "value" $value) -}}
{{- end -}}
{{- range $name, $reference := .secretEnv -}}
{{- $_ := set $items $name (dict "valueFrom" (dict "secretKeyRef" $reference)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $item := $items }}
- name: {{ $name }}
  {{- toYaml $item | nindent 2 }}
{{- end }}
{{- end }}

{{- define "airflow.extraVolumes" -}}
{{- with .volumes }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "airflow.extraMounts" -}}
{{- with .volumeMounts }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Containers of users, as confined as the chart's unless they say how. Call with a list. */}}
{{- define "airflow.extraContainers" -}}
{{- $confinement := include "airflow.confinement" . | fromYaml -}}
{{- range . }}
{{- $container := deepCopy . }}
{{- if not (hasKey $container "securityContext") }}
{{- $_ := set $container "securityContext" $confinement }}
{{- end }}
- {{ toYaml $container | nindent 2 | trim }}
{{- end }}
{{- end }}

{{- define "airflow.extraLabels" -}}
{{- with .podLabels }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "airflow.extraAnnotations" -}}
{{- with .podAnnotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* One pod at a time, where there are several. Call with root, component, name and options. */}}
{{- define "airflow.disruptionBudget" -}}
{{- if and .root.Values.disruptionBudgets.enabled (gt (include "airflow.mostReplicas" .options | int) 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
    {{- include "airflow.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  # Pods that are not ready serve nobody: without this, two that never get ready hold their nodes for ever.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "airflow.selector" . | nindent 6 }}
{{- end }}
{{- end }}
