"""The plugin executable `pulumi-resource-kubernetes`."""

import sys

from sandbox.providers.kubernetes.provider import KubernetesProvider
from sandbox.providers.server import serve

if __name__ == "__main__":
    # The one argument is the engine's address.
    serve(KubernetesProvider(*sys.argv[1:2]), sys.argv[1:])
