"""The way to a Kubernetes API that is reached from inside its VPC only, by sessions of AWS Systems Manager.

`tunnels` is what the rest of the command line knows of it; `sessions` opens sessions with the workers, `way`
decides which connection takes one, `listeners` is what Kubernetes clients connect to. `docs/adr/0044-*` says why.
"""
