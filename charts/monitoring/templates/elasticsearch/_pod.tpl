{{/* Whether the chart has an Elasticsearch of its own; empty where lines go to one outside, or nowhere. */}}
{{- define "monitoring.elasticsearch.own" -}}
{{- if and .Values.logs.enabled (not .Values.elasticsearch.outside.url) -}}true{{- end -}}
{{- end }}

{{/* Whether what proves the server is in the ConfigMap; empty where the public authorities vouch for it. */}}
{{- define "monitoring.elasticsearch.authority" -}}
{{- if and .Values.logs.enabled (or (not .Values.elasticsearch.outside.url) .Values.elasticsearch.outside.authority) -}}true{{- end -}}
{{- end }}

{{/* What its containers share. */}}
{{- define "monitoring.elasticsearch.container" -}}
image: {{ include "monitoring.image" (dict "name" "elasticsearch" "image" .Values.elasticsearch.image) }}
imagePullPolicy: {{ .Values.pullPolicy }}
securityContext:
  {{- include "monitoring.confinement" . | nindent 2 }}
{{- end }}

{{/* Where its scripts find things. */}}
{{- define "monitoring.elasticsearch.environment" -}}
- {name: INDEX, value: airflow}
- {name: SETTINGS, value: /run/settings}
- {name: PASSWORDS, value: /run/secrets/elasticsearch}
- {name: KEEPER_FOLDER, value: /run/keeper}
- {name: AUTHORITY, value: /var/lib/elasticsearch/authority}
- {name: SERVER, value: "https://127.0.0.1:9200"}
- {name: DAYS, value: {{ int .Values.elasticsearch.days | quote }}}
{{- end }}

{{- define "monitoring.elasticsearch.mounts" -}}
- {name: config, mountPath: /etc/elasticsearch}
- {name: settings, mountPath: /run/settings, readOnly: true}
- {name: passwords, mountPath: /run/secrets/elasticsearch, readOnly: true}
- {name: keeper, mountPath: /run/keeper}
{{- end }}

{{/* By what names others call it. */}}
{{- define "monitoring.elasticsearch.serverNames" -}}
{{- $name := include "monitoring.name.elasticsearch" . -}}
{{- $inNamespace := printf "%s.%s" $name .Release.Namespace -}}
{{ printf "%s.svc" $inNamespace }} {{ $inNamespace }} {{ $name }} {{ printf "%s.svc.cluster.local" $inNamespace }} localhost
{{- end }}
