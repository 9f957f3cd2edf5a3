{{/*
What the database must have, as InfluxQL for the image's `set-up`: a statement a line, and one that begins with `-` may
find that it is done already. It is run at each start of the pod, so all of it may be run again.

Continuous queries cannot be changed: they are made anew. Each looks at the last half hour again, so that points count
that waited for InfluxDB in Telegraf's buffer.
*/}}
{{- define "monitoring.influxdb.statements" -}}
{{- $resample := "RESAMPLE EVERY 5m FOR 30m BEGIN SELECT" -}}
{{- $airflow := "INTO \"metrics\".\"downsampled\".:MEASUREMENT FROM \"metrics\".\"raw\"./^(airflow|logs)_/ WHERE \"metric_type\" =" -}}
{{- $queries := dict
  "counters" (printf "%s sum(\"value\") AS \"value\" %s 'counter'" $resample $airflow)
  "gauges" (printf "%s mean(\"value\") AS \"value\", max(\"value\") AS \"max\" %s 'gauge'" $resample $airflow)
  "timings" (printf "%s sum(\"count\") AS \"count\", sum(\"sum\") AS \"sum\", min(\"lower\") AS \"lower\", max(\"upper\") AS \"upper\" %s 'timing'" $resample $airflow)
  "nodes" (printf "%s mean(*) INTO \"metrics\".\"downsampled\".:MEASUREMENT FROM \"metrics\".\"raw\"./^(kubernetes|postgresql|pgbouncer|x509)_/" $resample)
-}}
CREATE DATABASE "metrics"
{{- range $name, $rest := dict
  "raw" (printf "DURATION %dd REPLICATION 1 SHARD DURATION 1d DEFAULT" (int .Values.influxdb.rawDays))
  "downsampled" (printf "DURATION %dd REPLICATION 1 SHARD DURATION 7d" (int .Values.influxdb.downsampledDays))
}}
-CREATE RETENTION POLICY "{{ $name }}" ON "metrics" {{ $rest }}
ALTER RETENTION POLICY "{{ $name }}" ON "metrics" {{ $rest }}
{{- end }}
GRANT WRITE ON "metrics" TO "writer"
GRANT READ ON "metrics" TO "reader"
{{- range $name, $query := $queries }}
-DROP CONTINUOUS QUERY "{{ $name }}" ON "metrics"
CREATE CONTINUOUS QUERY "{{ $name }}" ON "metrics" {{ $query }} GROUP BY time(5m), * END
{{- end }}
{{- /* One measurement of both: no query can take two for one answer. In small steps, so that the order of runs is kept: grafana/alerts.py. */}}
{{- range $state := list "failed" "success" }}
-DROP CONTINUOUS QUERY "runs_{{ $state }}" ON "metrics"
CREATE CONTINUOUS QUERY "runs_{{ $state }}" ON "metrics" RESAMPLE EVERY 1m FOR 30m BEGIN SELECT sum("count") AS "{{ $state }}" INTO "metrics"."raw"."airflow_dagrun_ended" FROM "metrics"."raw"."airflow_dagrun_duration_{{ $state }}" GROUP BY time(5s), "dag_id", "environment" fill(none) END
{{- end }}
{{- end }}
