{{/* PgBouncer's pod. Its users reach it as a file, and it knows nothing else that is secret. */}}
{{- define "airflow.pgbouncer.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ .Values.pgbouncer.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 50003
  runAsGroup: 50003
  fsGroup: 50003
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: pgbouncer
    image: {{ include "airflow.pgbouncer.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    ports:
      - name: pgbouncer
        containerPort: 6432
    # Whether it listens. That PostgreSQL does is no matter of its probes: while the server is away, clients wait here.
    {{- range $probe := list "startup" "readiness" "liveness" }}
    {{ $probe }}Probe:
      tcpSocket: {port: pgbouncer}
      {{- toYaml (get $.Values.pgbouncer.probes $probe) | nindent 6 }}
    {{- end }}
    # Take connections until every node's proxy has heard that this pod is going.
    lifecycle:
      preStop:
        sleep: {seconds: 2}
    securityContext:
      {{- include "airflow.confinement" . | nindent 6 }}
    resources:
      {{- toYaml .Values.pgbouncer.resources | nindent 6 }}
    volumeMounts:
      - {name: config, mountPath: /etc/pgbouncer, readOnly: true}
      - {name: users, mountPath: /run/secrets/pgbouncer, readOnly: true}
      - {name: socket, mountPath: /run/pgbouncer}
volumes:
  - name: config
    configMap:
      name: {{ include "airflow.name.pgbouncer" . }}
  - name: users
    secret:
      secretName: {{ include "airflow.pgbouncer.secret" . }}
      defaultMode: 0440
      items:
        - {key: users, path: userlist.txt}
  - name: socket
    emptyDir: {}
{{- end }}

{{- define "airflow.pgbouncer.image" -}}
{{- with .Values.pgbouncer.image -}}
{{- $_ := required "pgbouncer.image.repository: the image is built from images/pgbouncer" .repository -}}
{{- $_ = required "pgbouncer.image: digest or tag" (.digest | default .tag) -}}
{{ include "airflow.imageReference" . }}
{{- end -}}
{{- end }}
