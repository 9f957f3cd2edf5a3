{{/*
Pools, variables and connections that the values declare. What is secret is a reference, which becomes a variable of
the Job's container; the file that says what to make has the variable's name.
*/}}

{{/* A reference's Secret and key, as JSON; nothing if it is none. Call with root and reference. */}}
{{- define "airflow.declared.key" -}}
{{- with .reference -}}
{{- if hasKey . "config" -}}
{{- $name := required "secrets.declared: a declaration names a secret with config, and this Secret has it" $.root.Values.secrets.declared -}}
{{- dict "name" $name "key" .config | toJson -}}
{{- else if hasKey . "secret" -}}
{{- .secret | toJson -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "airflow.declared.variable" -}}
DECLARED_{{ printf "%s/%s" .name .key | sha256sum | trunc 12 | upper }}
{{- end }}

{{/* What has references, each with the name of the variable that holds its value. Call with root and reference. */}}
{{- define "airflow.declared.resolved" -}}
{{- $found := deepCopy .reference -}}
{{- with include "airflow.declared.key" . -}}
{{- $_ := set $found "variable" (include "airflow.declared.variable" (fromJson .)) -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/* All that is declared, as JSON. */}}
{{- define "airflow.declared" -}}
{{- $variables := dict -}}
{{- range $name, $one := .Values.variables -}}
{{- if kindIs "map" $one -}}
{{- $one = include "airflow.declared.resolved" (dict "root" $ "reference" $one) | fromJson -}}
{{- end -}}
{{- $_ := set $variables $name $one -}}
{{- end -}}
{{- $connections := dict -}}
{{- range $name, $one := .Values.connections -}}
{{- $connection := deepCopy $one -}}
{{- range $field := list "password" "secretExtra" -}}
{{- with get $one $field -}}
{{- $_ := set $connection $field (include "airflow.declared.resolved" (dict "root" $ "reference" .) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $connections $name $connection -}}
{{- end -}}
{{- dict
  "pools" .Values.pools
  "variables" $variables
  "connections" $connections
  "prune" .Values.prune
  "missingSecrets" .Values.missingSecrets
  | toJson -}}
{{- end }}

{{/* The keys of Secrets that declarations name, as JSON, by the variable that holds each. */}}
{{- define "airflow.declared.keys" -}}
{{- $references := values .Values.variables -}}
{{- range values .Values.connections -}}
{{- $references = concat $references (list .password .secretExtra) -}}
{{- end -}}
{{- $keys := dict -}}
{{- range $references -}}
{{- if kindIs "map" . -}}
{{- with include "airflow.declared.key" (dict "root" $ "reference" .) -}}
{{- $key := fromJson . -}}
{{- $_ := set $keys (include "airflow.declared.variable" $key) $key -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $keys -}}
{{- end }}

{{/* Whether one of them is a key of the Secret in secrets.declared. */}}
{{- define "airflow.declared.readsConfig" -}}
{{- range include "airflow.declared.keys" . | fromJson | values -}}
{{- if eq .name $.Values.secrets.declared }}true{{ end -}}
{{- end -}}
{{- end }}

{{/* The variables. A Secret that is not there is for the Job to tell: its pod would wait for it without a word. */}}
{{- define "airflow.declared.env" -}}
- name: DECLARED_FILE
  value: /opt/airflow/declared/declared.json
{{- range $variable, $key := include "airflow.declared.keys" . | fromJson }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $key.name }}
      key: {{ $key.key }}
      optional: true
{{- end }}
{{- end }}
