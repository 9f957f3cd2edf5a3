{{/* The parts that the pods share. */}}

{{/* An image by its digest, or else by its tag. Call with (dict "name" "influxdb" "image" .Values.influxdb.image). */}}
{{- define "monitoring.image" -}}
{{- $_ := required (printf "%s.image.repository: where the image lies" .name) .image.repository -}}
{{- $_ = required (printf "%s.image: digest or tag" .name) (.image.digest | default .image.tag) -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag }}{{ end }}
{{- end }}

{{- define "monitoring.confinement" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Whom a pod runs as: the image's user, whose files are on the volume. Call with the number. */}}
{{- define "monitoring.user" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/*
From when on a Go program collects its garbage at once: two thirds of the memory that its container may take. Nothing where
that is not said in Mi or Gi. Call with its resources.
*/}}
{{- define "monitoring.goMemory" -}}
{{- $limit := toString .limits.memory -}}
{{- if regexMatch "^[0-9]+[MG]i$" $limit -}}
{{- $unit := hasSuffix "Gi" $limit | ternary 1024 1 -}}
{{ div (mul 2 $unit (regexFind "^[0-9]+" $limit | int64)) 3 }}MiB
{{- end }}
{{- end }}

{{- define "monitoring.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The one volume of a StatefulSet. Call with root, component and storage. */}}
{{- define "monitoring.volume" -}}
- metadata:
    name: data
    labels:
      {{- include "monitoring.selector" . | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storage.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .storage.size }}
{{- end }}

{{/* Passwords as files, of these users of a Secret alone. Call with secret and users; with volume where a pod has two. */}}
{{- define "monitoring.passwords" -}}
- name: {{ .volume | default "passwords" }}
  secret:
    secretName: {{ required "secret: the name of a Secret with the users' passwords" .secret }}
    defaultMode: 0440
    items:
      {{- range .users }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
