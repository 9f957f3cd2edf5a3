{{/* Where large XComs go, with the connection that leads there; nothing if they stay in the database. */}}
{{- define "airflow.xcom.folder" -}}
{{- $bucket := .Values.xcom.bucket | default .Values.logs.bucket -}}
{{- if and .Values.xcom.enabled $bucket -}}
s3://aws_default@{{ $bucket }}/{{ .Values.xcom.prefix | trimSuffix "/" }}
{{- end -}}
{{- end }}
