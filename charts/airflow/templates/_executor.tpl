{{/*
What the executors are together, as capabilities: no template asks for one by its name. The table is
executors.json; infra/contract/executors.py reads the same, says what its fields mean, and joins the
rows of several in the same way.
*/}}
{{- define "airflow.executor" -}}
{{- $table := .Files.Get "executors.json" | fromJson -}}
{{- $classes := list -}}
{{- $components := list -}}
{{- $runsTasks := list -}}
{{- $tokens := list -}}
{{- $parallelism := 0 -}}
{{- range $name := splitList "," .Values.executor -}}
{{- $row := get $table $name -}}
{{- if not $row -}}
{{- fail (printf "executor: there is no %q; known are %s" $name (keys $table | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if has $row.class $classes -}}
{{- fail (printf "executor: %q is named twice: %s" $row.class $.Values.executor) -}}
{{- end -}}
{{- $classes = append $classes $row.class -}}
{{- $components = concat $components $row.components | uniq -}}
{{- $runsTasks = append $runsTasks $row.runsTasks | uniq -}}
{{- $tokens = concat $tokens $row.kubernetesToken | uniq -}}
{{- $parallelism = min ($parallelism | default $row.parallelism) $row.parallelism -}}
{{- end -}}
{{- dict "classes" $classes "components" $components "runsTasks" $runsTasks "kubernetesToken" $tokens "parallelism" $parallelism | toJson -}}
{{- end }}

{{/* Airflow's own name for them: the first is the default. */}}
{{- define "airflow.executorClasses" -}}
{{- (include "airflow.executor" . | fromJson).classes | join "," -}}
{{- end }}

{{/* Tasks that may run at once, with each executor. */}}
{{- define "airflow.parallelism" -}}
{{- .Values.scheduler.parallelism | default (include "airflow.executor" . | fromJson).parallelism -}}
{{- end }}

{{/* Whether an executor brings a component with it; empty if not. Call with (dict "root" $ "component" NAME). */}}
{{- define "airflow.runs" -}}
{{- if has .component (include "airflow.executor" .root | fromJson).components -}}true{{- end -}}
{{- end }}

{{/* Whether tasks may have a pod of their own, which ends with the task; empty if not. */}}
{{- define "airflow.taskPods" -}}
{{- $executor := include "airflow.executor" . | fromJson -}}
{{- range $executor.runsTasks -}}
{{- if not (has . $executor.components) -}}true{{- end -}}
{{- end -}}
{{- end }}

{{/*
Whether a component's pods get a token for the Kubernetes API: true or false. The executor's own do;
and where tasks may start pods, who runs tasks, and the triggerer, which waits for those pods.
*/}}
{{- define "airflow.kubernetesToken" -}}
{{- $executor := include "airflow.executor" .root | fromJson -}}
{{- $runs := append $executor.runsTasks "triggerer" -}}
{{- or (has .component $executor.kubernetesToken) (and .root.Values.workers.startPods (has .component $runs)) -}}
{{- end }}

{{/* Whether tasks run in the scheduler's pod; empty if not. */}}
{{- define "airflow.inScheduler" -}}
{{- if has "scheduler" (include "airflow.executor" . | fromJson).runsTasks -}}true{{- end -}}
{{- end }}

{{/* Seconds that the scheduler has to stop: it waits for tasks that run in its pod. */}}
{{- define "airflow.schedulerGrace" -}}
{{- .Values.scheduler.terminationGracePeriodSeconds | default (ternary 600 60 (include "airflow.inScheduler" . | eq "true")) -}}
{{- end }}

{{/* A quantity of memory in MiB. */}}
{{- define "airflow.mebibytes" -}}
{{- $units := dict "Ki" 0.0009765625 "Mi" 1.0 "Gi" 1024.0 "Ti" 1048576.0 "k" 0.00095367431640625 "M" 0.95367431640625 "G" 953.67431640625 "T" 953674.31640625 -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[A-Za-z]+$" $text -}}
{{- mulf (float64 (trimSuffix $unit $text)) (get $units $unit | default 0.00000095367431640625) | ceil | int -}}
{{- end }}

{{/* What the scheduler may use: what it takes itself, and the tasks that may run in its pod at once. */}}
{{- define "airflow.schedulerResources" -}}
{{- $scheduler := .Values.scheduler -}}
{{- $resources := deepCopy $scheduler.resources -}}
{{- if include "airflow.inScheduler" . -}}
{{- $tasks := include "airflow.parallelism" . | int -}}
{{- range $kind := list "requests" "limits" -}}
{{- $own := include "airflow.mebibytes" (get $resources $kind).memory | int -}}
{{- $each := include "airflow.mebibytes" (get $scheduler.taskMemory $kind) | int -}}
{{- $_ := set (get $resources $kind) "memory" (printf "%dMi" (add $own (mul $tasks $each))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}
