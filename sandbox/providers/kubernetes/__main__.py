"""The plugin executable `pulumi-resource-kubernetes`."""

import sys

from sandbox.providers.kubernetes.provider import KubernetesProvider
from sandbox.providers.news import News
from sandbox.providers.server import serve

if __name__ == "__main__":
    # The one argument is the engine's address.
    news = [News(address).about for address in sys.argv[1:2]]
    serve(KubernetesProvider(*news), sys.argv[1:])
