{{/* Labels. Call those of a component with (dict "root" $ "component" "scheduler"). */}}

{{- define "airflow.selector" -}}
app.kubernetes.io/name: airflow
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "airflow.labels" -}}
{{ include "airflow.selector" . }}
app.kubernetes.io/part-of: aerodrome
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.environment }}
aerodrome/environment: {{ . | quote }}
{{- end }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Reaches the metadata database: what the database's NetworkPolicy lets in. */}}
{{- define "airflow.labels.usesDatabase" -}}
aerodrome/uses-database: "true"
{{- end }}

{{/*
Pods are replaced when what they read at their start has changed, and only then. `reads` are keys
of `secrets`: those that the containers refer to, by default airflow.secrets'.
*/}}
{{- define "airflow.checksums" -}}
checksum/config: {{ include "airflow.environment" .root | sha256sum }}
{{ include "airflow.secretChecksums" . }}
{{- end }}

{{- define "airflow.secretChecksums" -}}
{{- range .reads | default (include "airflow.secrets.reads" .root | fromJsonArray) }}
checksum/{{ . }}-secret: {{ get $.root.Values.secretsChecksums . | quote }}
{{- end }}
{{- end }}
