{{/* The parts that both Jobs share. Call with (dict "root" $ "command" "create"). */}}

{{- define "branch-database.labels" -}}
app.kubernetes.io/name: branch-database
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: aerodrome
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "branch-database.pod" -}}
{{- with .root -}}
metadata:
  labels:
    {{- include "branch-database.labels" . | nindent 4 }}
    # What the database's NetworkPolicy lets in.
    aerodrome/uses-database: "true"
  {{- if eq $.command "create" }}
  annotations:
    checksum/secrets: {{ .Values.secretsChecksum | quote }}
  {{- end }}
spec:
  {{- if .Values.server.host }}
  restartPolicy: Never
  serviceAccountName: {{ .Values.server.serviceAccount }}
  {{- else }}
  restartPolicy: OnFailure
  {{- end }}
  automountServiceAccountToken: false
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 50000
    runAsGroup: 0
    seccompProfile:
      type: RuntimeDefault
  containers:
    {{- include "branch-database.container" (dict "root" . "command" $.command "database" .Values.database "key" "password" "second" .Values.secondUser) | nindent 4 }}
    # Dropped in any case: it may have been made for another executor.
    {{- if and .Values.results.database (or .Values.results.create (eq $.command "drop")) }}
    {{- include "branch-database.container" (dict "root" . "command" $.command "database" .Values.results.database "key" "results-password" "second" .Values.results.secondUser) | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{/* One database: one container. Those of a pod take turns. */}}
{{- define "branch-database.container" -}}
{{- with .root -}}
- name: {{ ternary $.command (printf "%s-results" $.command) (eq $.key "password") }}
  image: {{ .Values.image }}
  imagePullPolicy: {{ .Values.pullPolicy }}
  args: [python, /opt/airflow/scripts/{{ ternary "existing_server" "branch_database" (not (empty .Values.server.host)) }}.py, {{ $.command }}, {{ $.database }}]
  {{- if .Values.server.host }}
  # So that whoever waits for the Job is told why it failed.
  terminationMessagePolicy: FallbackToLogsOnError
  {{- end }}
  env:
    {{- if .Values.server.host }}
    {{- include "branch-database.server" .Values.server | nindent 4 }}
    {{- else }}
    - name: ADMIN_CONNECTION
      valueFrom:
        secretKeyRef:
          name: {{ .Values.adminSecret }}
          key: connection
    {{- end }}
    - name: WAIT_SECONDS
      value: {{ .Values.waitSeconds | quote }}
    {{- if eq $.command "create" }}
    - name: DATABASE_PASSWORD
      valueFrom:
        secretKeyRef:
          name: {{ .Values.passwordSecret }}
          key: {{ $.key }}
    {{- end }}
    {{- if $.second }}
    - name: SECOND_USER
      value: {{ $.second }}
    {{- if eq $.command "create" }}
    - name: SECOND_PASSWORD
      valueFrom:
        secretKeyRef:
          name: {{ .Values.passwordSecret }}
          key: {{ ternary "second-password" "results-second-password" (eq $.key "password") }}
    {{- end }}
    {{- end }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
{{- end }}
{{- end }}

{{/* Where a server is that was there before, and who makes databases in it. */}}
{{- define "branch-database.server" -}}
- name: ADMIN_SECRET
  value: {{ .secret | quote }}
- name: SERVER_INSTANCE
  value: {{ .instance | quote }}
- name: SERVER_HOST
  value: {{ .host | quote }}
- name: SERVER_PORT
  value: {{ .port | quote }}
- name: SERVER_MARK
  value: {{ .mark | quote }}
- name: SERVER_CONNECTIONS
  value: {{ .connections | quote }}
{{- end }}

{{/* Nobody waits for five tries that cannot go better: EXIT_CODE of images/airflow/scripts/existing_server.py. */}}
{{- define "branch-database.failures" -}}
{{- if .root.Values.server.host }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
    - action: FailJob
      onExitCodes:
        containerName: {{ .command }}
        operator: In
        values: [3]
{{- end }}
{{- end }}
