"""What Kibana shows of logs, as code: its saved objects, written to charts/monitoring/saved-objects.

It runs while the kit is developed (`.ci/docs`), never in a deployment: what is deployed is the file. It knows the indices
(`infra/contract/logs.py`) and nothing else of the kit.
"""
