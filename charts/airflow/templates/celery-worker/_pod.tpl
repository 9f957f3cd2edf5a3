{{/*
The log of a task that runs, for the UI. Beside the worker and not in it, because it needs the key
that signs sessions, and a task could read what its worker has. It lasts until the worker is gone.
*/}}
{{- define "airflow.celery.logServer" -}}
- name: log-server
  restartPolicy: Always
  {{- include "airflow.container" . | nindent 2 }}
  args: [python, -m, airflow.utils.serve_logs.core]
  env:
    - name: AIRFLOW__API__SECRET_KEY
      valueFrom:
        secretKeyRef:
          name: {{ .Values.secrets.api }}
          key: api-secret-key
  ports:
    - name: logs
      containerPort: 8793
  resources:
    {{- toYaml .Values.celery.logServer.resources | nindent 4 }}
{{- end }}

{{/*
Alive is who has sent a heartbeat of late. Not alive is only who has sent none for ten minutes: a queue
that is away is no reason to end running tasks.
*/}}
{{- define "airflow.celery.probes" -}}
{{- $age := "test $(($(date +%%s) - $(stat -c %%Y /tmp/celery-heartbeat))) -lt %d" -}}
startupProbe:
  exec:
    command: [test, -f, /tmp/celery-heartbeat]
  periodSeconds: 2
  failureThreshold: 90
readinessProbe:
  exec:
    command: [sh, -c, {{ printf $age 60 | quote }}]
  periodSeconds: 15
  timeoutSeconds: 5
livenessProbe:
  exec:
    command: [sh, -c, {{ printf $age 600 | quote }}]
  periodSeconds: 60
  timeoutSeconds: 10
{{- end }}
