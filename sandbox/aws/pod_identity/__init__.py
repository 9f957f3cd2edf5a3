"""EKS Pod Identity on the sandbox's node: the webhook and the agent, in one process.

`webhook` writes into a new pod where to ask for credentials, and a token to ask with; `agent`
answers the pod. Both look up the service account's association in `associations`; credentials
come from EKS Auth (`sandbox.aws.standin.eks_auth`), which checks the token. `aws` signs calls.
"""
