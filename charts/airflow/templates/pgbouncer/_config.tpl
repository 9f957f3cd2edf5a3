{{/*
pgbouncer.ini. Nothing secret: names and passwords are in the Secret's userlist. Any database of the server may be
asked for, because only the server knows whose it is; a pool belongs to one database and one user.

A failed login to the server is tried again after a second, not after fifteen: pods wait for their database at every
first start.
*/}}
{{- define "airflow.pgbouncer.config" -}}
{{- $server := .Values.pgbouncer.server -}}
{{- $own := ternary (include "airflow.name.database" .) "" .Values.postgres.enabled -}}
{{- $host := required "pgbouncer.server.host: where is PostgreSQL?" ($server.host | default $own) -}}
[databases]
* = host={{ $host }} port={{ $server.port }}

[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir = /run/pgbouncer
auth_type = scram-sha-256
auth_file = /run/secrets/pgbouncer/userlist.txt
pool_mode = transaction
default_pool_size = {{ .Values.pgbouncer.poolSize }}
max_client_conn = {{ .Values.pgbouncer.maxClientConnections }}
server_tls_sslmode = {{ $server.sslmode }}
server_login_retry = 1
{{- if include "airflow.monitor.reads" . }}
# May ask for figures in the console, and change nothing there.
stats_users = {{ .Values.databaseMonitor.role }}
{{- end }}
log_connections = {{ ternary 1 0 .Values.pgbouncer.logConnections }}
log_disconnections = {{ ternary 1 0 .Values.pgbouncer.logConnections }}
log_stats = 0
{{- end }}
