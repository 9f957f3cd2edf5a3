{{/*
What PostgreSQL tells a member of pg_monitor. Its own template databases, and those that nobody may connect to, are left
out; a database whose owner has a limit has that one, and any other the server's.
*/}}
{{- define "monitoring.telegraf.postgresql" -}}
{{- if .Values.telegraf.postgresql.secret }}

[[secretstores.docker]]
  id = "database"
  path = "/run/secrets/database"

[[inputs.postgresql_extensible]]
  interval = "{{ int .Values.telegraf.nodeSeconds }}s"
  address = "@{database:address}"
  # Otherwise a tag would be all of the address but the password.
  outputaddress = "server"
  tagexclude = ["server", "db"]

  [[inputs.postgresql_extensible.query]]
    measurement = "postgresql_server"
    sqlquery = """
      select count(*) as connections,
             {{ include "monitoring.telegraf.postgresql.limit" . }} as connection_limit
      from pg_stat_activity where backend_type = 'client backend'"""

  [[inputs.postgresql_extensible.query]]
    measurement = "postgresql_database"
    tagvalue = "database"
    sqlquery = """
      select d.datname as database,
             (select count(*) from pg_stat_activity a where a.datid = d.oid) as connections,
             coalesce(nullif(r.rolconnlimit, -1), {{ include "monitoring.telegraf.postgresql.limit" . }}) as connection_limit,
             pg_database_size(d.oid) as size_bytes
      from pg_database d join pg_roles r on r.oid = d.datdba
      where d.datallowconn and not d.datistemplate"""
{{- if .Values.telegraf.postgresql.pgbouncer }}

[[inputs.pgbouncer]]
  interval = "{{ int .Values.telegraf.nodeSeconds }}s"
  address = "@{database:pgbouncer}"
  show_commands = ["pools"]
  fieldinclude = ["cl_active", "cl_waiting", "sv_active", "sv_idle", "maxwait"]
  # Without the address.
  taginclude = ["db", "user"]
  # Its console is one of its pools.
  [inputs.pgbouncer.tagdrop]
    db = ["pgbouncer"]
{{- end }}
{{- end }}
{{- end }}

{{/* The last ones are kept for superusers. */}}
{{- define "monitoring.telegraf.postgresql.limit" -}}
current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
{{- end }}
