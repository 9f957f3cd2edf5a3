"""Entry point of the plugin `pulumi-resource-eks`."""

import sys

from sandbox.providers.eks.provider import EksProvider
from sandbox.providers.server import serve

if __name__ == "__main__":
    serve(EksProvider(), sys.argv[1:])
