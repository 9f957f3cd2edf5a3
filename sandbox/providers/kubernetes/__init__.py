"""The kubernetes provider: what pulumi-kubernetes does, against a cluster of the sandbox.

`provider.py` is the front door. Below it: `checks.py`, `diffs.py` (pure), `objects.py`,
`readiness.py` (pure), `lifecycle.py`, `waiting.py`, `diagnosis.py` (talk to the cluster),
`helm/` (releases), and at the bottom `client.py` over `transport.py`.
"""
