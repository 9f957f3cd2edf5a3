{{/* What both containers of the pod share. */}}

{{- define "monitoring.influxdb.container" -}}
image: {{ include "monitoring.image" (dict "name" "influxdb" "image" .Values.influxdb.image) }}
imagePullPolicy: {{ .Values.pullPolicy }}
env:
  - name: INFLUXDB_CONFIG_PATH
    value: /etc/influxdb/influxdb.conf
securityContext:
  {{- include "monitoring.confinement" . | nindent 2 }}
resources:
  {{- toYaml .Values.influxdb.resources | nindent 2 }}
{{- end }}

{{- define "monitoring.influxdb.mounts" -}}
- {name: data, mountPath: /var/lib/influxdb}
- {name: config, mountPath: /etc/influxdb, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}
