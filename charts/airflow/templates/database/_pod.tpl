{{/* The database's pod. The password reaches it as a file: an environment shows up in `docker inspect`. */}}
{{- define "airflow.database.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ .Values.postgres.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 50001
  runAsGroup: 50001
  fsGroup: 50001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: postgresql
    image: {{ include "airflow.database.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    env:
      {{- range $variable, $key := dict "POSTGRES_USER" "username" "POSTGRES_DB" "database" }}
      - name: {{ $variable }}
        valueFrom:
          secretKeyRef:
            name: {{ $.Values.secrets.database }}
            key: {{ $key }}
      {{- end }}
      - name: POSTGRES_PASSWORD_FILE
        value: /run/secrets/database/password
      {{- if .Values.secrets.logins }}
      - name: POSTGRES_SECOND_USER
        valueFrom:
          secretKeyRef:
            name: {{ .Values.secrets.logins }}
            key: second-username
      - name: POSTGRES_SECOND_PASSWORD_FILE
        value: /run/secrets/database/second-password
      {{- end }}
    ports:
      - name: postgresql
        containerPort: 5432
    {{- include "airflow.database.probes" . | nindent 4 }}
    lifecycle:
      preStop:
        exec:
          command: [/usr/local/bin/drain]
    securityContext:
      {{- include "airflow.confinement" . | nindent 6 }}
    resources:
      {{- toYaml .Values.postgres.resources | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/postgresql/data}
      - {name: password, mountPath: /run/secrets/database, readOnly: true}
      - {name: sockets, mountPath: /run/postgresql}
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: password
    secret:
      secretName: {{ .Values.secrets.logins | default .Values.secrets.database }}
      defaultMode: 0440
      items:
        - {key: password, path: password}
        {{- if .Values.secrets.logins }}
        - {key: second-password, path: second-password}
        {{- end }}
  - name: sockets
    emptyDir: {}
  - name: tmp
    emptyDir: {}
{{- end }}

{{- define "airflow.database.image" -}}
{{ include "airflow.imageReference" .Values.postgres.image }}
{{- end }}

{{- define "airflow.database.probes" -}}
startupProbe:
  exec:
    command: [pg_isready, --quiet, --host, 127.0.0.1]
  {{- toYaml .Values.postgres.probes.startup | nindent 2 }}
readinessProbe:
  exec:
    command: [pg_isready, --quiet, --host, 127.0.0.1]
  {{- toYaml .Values.postgres.probes.readiness | nindent 2 }}
livenessProbe:
  exec:
    command: [pg_isready, --quiet, --host, 127.0.0.1]
  {{- toYaml .Values.postgres.probes.liveness | nindent 2 }}
{{- end }}

{{/*
Kubernetes refuses to change a StatefulSet's claim templates: they keep the size that they were made
with. The claim itself can grow; whoever installs the chart does that (infra/postgres.py).
*/}}
{{- define "airflow.database.templateSize" -}}
{{- $size := .Values.postgres.storage.size -}}
{{- $there := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "airflow.name.database" .) -}}
{{- with dig "spec" "volumeClaimTemplates" list $there -}}
{{- $size = (first .).spec.resources.requests.storage -}}
{{- end -}}
{{- $size -}}
{{- end }}
