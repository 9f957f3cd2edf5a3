{{/* Every name of an object is made here and nowhere else. */}}

{{- define "monitoring.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "monitoring.name.influxdb" -}}{{ include "monitoring.name" . }}-influxdb{{- end }}
{{- define "monitoring.name.telegraf" -}}{{ include "monitoring.name" . }}-telegraf{{- end }}
{{- define "monitoring.name.grafana" -}}{{ include "monitoring.name" . }}-grafana{{- end }}
{{- define "monitoring.name.elasticsearch" -}}{{ include "monitoring.name" . }}-elasticsearch{{- end }}
{{- define "monitoring.name.shipper" -}}{{ include "monitoring.name" . }}-shipper{{- end }}
{{/* In the shipper's namespace: what the certificate of Elasticsearch is proved by. */}}
{{- define "monitoring.name.authority" -}}{{ include "monitoring.name.elasticsearch" . }}-authority{{- end }}

{{/* Not in a namespace: two releases of one name in one cluster must not meet. */}}
{{- define "monitoring.name.clusterRole" -}}{{ .Release.Namespace }}-{{ include "monitoring.name.telegraf" . }}{{- end }}

{{/* Not empty where the release has an InfluxDB of its own, rather than the address of another. */}}
{{- define "monitoring.influxdb.deployed" -}}
{{- if and .Values.metrics.enabled (not .Values.influxdb.external.url) -}}yes{{- end -}}
{{- end }}

{{- define "monitoring.influxdb.url" -}}
{{- .Values.influxdb.external.url | default (printf "http://%s:8086" (include "monitoring.name.influxdb" .)) -}}
{{- end }}

{{/* That of an address: Kubernetes knows no host names of others. */}}
{{- define "monitoring.influxdb.port" -}}
{{- $url := urlParse (include "monitoring.influxdb.url" .) -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end }}
