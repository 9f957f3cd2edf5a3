"""Kubernetes as the verbs need it: one client of its API, and kubectl for what needs a process.

It knows neither environments nor stacks: whoever makes a client says which kubeconfig and which
namespace. `docs/adr/0012-one-client-of-kubernetes.md` says why it is made of these parts.
"""

from cli.cloud.kubernetes.client import SECONDS, Kubernetes, Object, main_container, reference
from cli.cloud.kubernetes.errors import Refused, UnknownKind, Unreachable

__all__ = [
    "SECONDS",
    "Kubernetes",
    "Object",
    "Refused",
    "UnknownKind",
    "Unreachable",
    "main_container",
    "reference",
]
