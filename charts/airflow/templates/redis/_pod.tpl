{{/* The queue's pod. The password reaches it as a file: an environment shows up in `docker inspect`. */}}
{{- define "airflow.redis.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 60
securityContext:
  runAsNonRoot: true
  runAsUser: 50002
  runAsGroup: 50002
  fsGroup: 50002
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: redis
    image: {{ include "airflow.redis.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    env:
      - name: REDIS_PASSWORD_FILE
        value: /run/secrets/redis/password
      {{- if .Values.secrets.celeryLogins }}
      - name: REDIS_SECOND_PASSWORD_FILE
        value: /run/secrets/redis/second-password
      {{- end }}
    ports:
      - name: redis
        containerPort: 6379
    {{- range tuple "startup" "readiness" "liveness" }}
    {{ . }}Probe:
      exec:
        command: [/usr/local/bin/answers]
      periodSeconds: {{ ternary 1 10 (eq . "startup") }}
      timeoutSeconds: 5
      failureThreshold: {{ ternary 120 6 (eq . "startup") }}
    {{- end }}
    securityContext:
      {{- include "airflow.confinement" . | nindent 6 }}
    resources:
      {{- toYaml .Values.redis.resources | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/redis}
      - {name: password, mountPath: /run/secrets/redis, readOnly: true}
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: password
    secret:
      {{- if .Values.secrets.celeryLogins }}
      secretName: {{ .Values.secrets.celeryLogins }}
      defaultMode: 0440
      items:
        - {key: password, path: password}
        - {key: second-password, path: second-password}
      {{- else }}
      secretName: {{ include "airflow.celery.secret" . }}
      defaultMode: 0440
      items:
        - {key: redis-password, path: password}
      {{- end }}
  - name: tmp
    emptyDir: {}
{{- end }}

{{- define "airflow.redis.image" -}}
{{- with .Values.redis.image -}}
{{- $_ := required "redis.image.repository: an executor needs Redis, whose image is built from images/redis" .repository -}}
{{- $_ = required "redis.image: digest or tag" (.digest | default .tag) -}}
{{ include "airflow.imageReference" . }}
{{- end -}}
{{- end }}
