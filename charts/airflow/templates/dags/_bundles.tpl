{{/*
Airflow's list of bundles, where the DAG files are not the image's. The name of the team's stays: history goes
by it. The kit's own is as in the image's airflow.cfg, which holds where this is empty.
*/}}
{{- define "airflow.dags.bundles" -}}
{{- $source := .Values.dags.source -}}
{{- if ne $source "image" -}}
{{- $team := dict "name" "dags-folder" -}}
{{- if eq $source "s3" -}}
{{- with .Values.dags.s3 -}}
{{- $_ := set $team "classpath" "aerodrome_dags.S3DagBundle" -}}
{{- $_ := set $team "kwargs" (dict "bucket" (.bucket | default $.Values.logs.bucket) "prefix" .prefix "region" $.Values.logs.region "unpublished" "/opt/airflow/dags" "refresh_interval" (.refreshSeconds | int)) -}}
{{- end -}}
{{- else -}}
{{- with .Values.dags.git -}}
{{- $kwargs := dict "repo_url" .repository "tracking_ref" .ref "git_conn_id" "aerodrome_git" "refresh_interval" (.refreshSeconds | int) -}}
{{- if .folder }}{{ $_ := set $kwargs "subdir" .folder }}{{ end -}}
{{- $_ := set $team "classpath" "airflow.providers.git.bundles.git.GitDagBundle" -}}
{{- $_ := set $team "kwargs" $kwargs -}}
{{- end -}}
{{- end -}}
{{- $kit := dict "name" "aerodrome" "classpath" "airflow.dag_processing.bundles.local.LocalDagBundle" "kwargs" (dict "path" "/opt/airflow/kit_dags") -}}
{{- list $team $kit | toJson -}}
{{- end -}}
{{- end }}

{{/* What is wrong with the values together: the render ends with it. */}}
{{- define "airflow.dags.check" -}}
{{- if and (eq .Values.dags.source "s3") (not (.Values.dags.s3.bucket | default .Values.logs.bucket)) -}}
{{- fail "dags.source: s3 needs dags.s3.bucket or logs.bucket" -}}
{{- end -}}
{{- if and (eq .Values.dags.source "git") (not .Values.dags.git.repository) -}}
{{- fail "dags.source: git needs dags.git.repository" -}}
{{- end -}}
{{- end }}

{{/*
How the repository is logged in to: of the dag-processor, and of the api-server, which hands it to a task's
process and to nothing else of its pod. Empty if the repository is public.
*/}}
{{- define "airflow.dags.secrets" -}}
{{- if include "airflow.dags.hasSecret" . }}
- name: AIRFLOW_CONN_AERODROME_GIT
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.git }}
      key: connection
{{- end }}
{{- end }}

{{- define "airflow.dags.hasSecret" -}}
{{- if and (eq .Values.dags.source "git") .Values.secrets.git -}}true{{- end -}}
{{- end }}

{{/* The Secrets that a component which reads that one reads, as JSON. */}}
{{- define "airflow.dags.reads" -}}
{{- $reads := include "airflow.secrets.reads" . | fromJsonArray -}}
{{- if include "airflow.dags.hasSecret" . }}{{ $reads = append $reads "git" }}{{ end -}}
{{- toJson $reads -}}
{{- end }}
