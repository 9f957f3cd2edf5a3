{{/*
How pods reach the metadata database: through PgBouncer where there is one, or straight. A server's session is
lent for one transaction only, so what keeps anything in its session goes straight in any case.
*/}}

{{- define "airflow.directConnection" -}}
- name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.database }}
      key: connection
{{- end }}

{{- define "airflow.pooledConnection" -}}
{{- if .Values.pgbouncer.enabled -}}
- name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
  valueFrom:
    secretKeyRef:
      name: {{ include "airflow.pgbouncer.secret" . }}
      key: connection
{{- if not (dig "database" "sql_alchemy_connect_args_async" "" .Values.config) }}
- name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC
  value: aerodrome_database.POOLED_CONNECT_ARGS
{{- end }}
{{- else -}}
{{ include "airflow.directConnection" . }}
- name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.database }}
      key: async-connection
      # Without it Airflow derives the address from the other one, which is right where that has no options.
      optional: true
{{- end -}}
{{- end }}

{{/* The Secret behind it, as a key of `secrets`. */}}
{{- define "airflow.pooledSecret" -}}
{{- ternary "pgbouncer" "database" .Values.pgbouncer.enabled -}}
{{- end }}

{{/* What the NetworkPolicy lets in of that on which such a pod depends. */}}
{{- define "airflow.labels.usesPooledDatabase" -}}
{{- if .Values.pgbouncer.enabled -}}
{{ include "airflow.labels.usesPgbouncer" . }}
{{- else -}}
{{ include "airflow.labels.usesDatabase" . }}
{{- end -}}
{{- end }}

{{- define "airflow.labels.usesPgbouncer" -}}
aerodrome/uses-pgbouncer: "true"
{{- end }}

{{- define "airflow.pgbouncer.secret" -}}
{{- required "secrets.pgbouncer: pgbouncer.enabled needs this Secret, with connection and users" .Values.secrets.pgbouncer -}}
{{- end }}
