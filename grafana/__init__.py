"""What Grafana shows and warns of, as code: dashboards and alerts, written to charts/monitoring/files.

It runs while the kit is developed (`.ci/docs`), never in a deployment: what is deployed are the files. It knows the
measurements (`infra/contract/metrics.py`) and nothing else of the kit.
"""
