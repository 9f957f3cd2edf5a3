"""Helm releases: `release.py` decides, `chart.py` and `values.py` look, `command.py` runs helm,
`storage.py` reads what helm keeps in the cluster."""
