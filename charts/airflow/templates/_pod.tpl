{{/* The parts that all pods share. */}}

{{- define "airflow.image" -}}
{{ include "airflow.imageReference" .Values.image }}
{{- end }}

{{/* An image by its digest, or else by its tag. Call with repository, digest and tag. */}}
{{- define "airflow.imageReference" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{/* Of a pod that runs the Airflow image. */}}
{{- define "airflow.pod" -}}
serviceAccountName: {{ .Values.serviceAccount.name }}
securityContext:
  runAsNonRoot: true
  runAsUser: 50000
  runAsGroup: 0
  fsGroup: 50000
  seccompProfile:
    type: RuntimeDefault
volumes:
  - name: logs
    emptyDir: {{ include "airflow.emptyDir" .Values.logs.volumeSize }}
  - name: tmp
    emptyDir: {{ include "airflow.emptyDir" .Values.tmpVolumeSize }}
{{- end }}

{{- define "airflow.emptyDir" -}}
{{- if . }}{sizeLimit: {{ . }}}{{ else }}{}{{ end }}
{{- end }}

{{/*
Where pods may run, and how their images are fetched. `place` has nodeSelector, tolerations, and perhaps
affinity, topologySpreadConstraints, priorityClassName.
*/}}
{{- define "airflow.placement" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .place.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "airflow.container" -}}
image: {{ include "airflow.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "airflow.confinement" . | nindent 2 }}
envFrom:
  - configMapRef:
      name: {{ include "airflow.name.config" . }}
volumeMounts:
  - name: logs
    mountPath: /opt/airflow/logs
  - name: tmp
    mountPath: /tmp
{{- end }}

{{- define "airflow.confinement" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Of a container that may read the metadata database: never a task's. */}}
{{- define "airflow.secrets" -}}
{{ include "airflow.pooledConnection" . }}
{{ include "airflow.keys" . }}
{{- end }}

{{/* The same for what keeps a session beyond a transaction, such as a lock: straight to PostgreSQL. */}}
{{- define "airflow.directSecrets" -}}
{{ include "airflow.directConnection" . }}
{{ include "airflow.keys" . }}
{{- end }}

{{/* The Secrets behind airflow.secrets, as keys of `secrets`, as JSON. */}}
{{- define "airflow.secrets.reads" -}}
{{- list "fernet" "jwt" "api" (include "airflow.pooledSecret" .) | toJson -}}
{{- end }}

{{- define "airflow.keys" -}}
- name: AIRFLOW__CORE__FERNET_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.fernet }}
      key: fernet-key
- name: AIRFLOW__API_AUTH__JWT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.jwt }}
      key: jwt-secret
- name: AIRFLOW__API_AUTH__JWT_KID
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.jwt }}
      key: jwt-kid
      # Without it tokens do not say which key has signed them, and the key cannot be replaced while tasks run.
      optional: true
- name: AIRFLOW__API__SECRET_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secrets.api }}
      key: api-secret-key
{{- end }}

{{/* Holds a pod back until the migration Job of this image is through. */}}
{{- define "airflow.waitForSchema" -}}
- name: wait-for-schema
  image: {{ include "airflow.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [python, /opt/airflow/scripts/wait_for_schema.py, {{ .Values.migration.waitSeconds | quote }}]
  env:
    {{- include "airflow.pooledConnection" . | nindent 4 }}
  securityContext:
    {{- include "airflow.confinement" . | nindent 4 }}
  resources:
    {{- toYaml .Values.migration.waitResources | nindent 4 }}
{{- end }}

{{/*
Of a container whose process has a job in Airflow's database: what it runs, and its probes. Alive is who has written a
heartbeat of late; the process says so itself. Call with (dict "component" "triggerer" "probes" .Values.triggerer.probes).
*/}}
{{- define "airflow.job" -}}
args:
  - python
  - /opt/airflow/scripts/run_component.py
  - {{ .component }}
  - --health-port=8974
  - --heartbeat-seconds={{ int .probes.heartbeatSeconds }}
ports:
  - name: health
    containerPort: 8974
startupProbe:
  httpGet: {path: /, port: health}
  {{- toYaml .probes.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /, port: health}
  {{- toYaml .probes.liveness | nindent 2 }}
{{- end }}

{{/*
The new pod first, then the old one goes. With `maxUnavailable: 1` `helm --wait` would call a
single replica ready before it exists.
*/}}
{{- define "airflow.rollout" -}}
revisionHistoryLimit: 3
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: 1
    maxUnavailable: 0
{{- end }}

{{/* Of the pods of a Deployment. Call with (dict "root" $ "component" "scheduler" "options" .Values.scheduler). */}}
{{- define "airflow.podMetadata" -}}
labels:
  {{- include "airflow.labels" . | nindent 2 }}
  {{- include "airflow.labels.usesPooledDatabase" .root | nindent 2 }}
  {{- include "airflow.extraLabels" (.options | default dict) | nindent 2 }}
annotations:
  {{- include "airflow.checksums" . | nindent 2 }}
  {{- include "airflow.extraAnnotations" (.options | default dict) | nindent 2 }}
{{- end }}
