"""The plugin `pulumi-resource-aws`: started by the engine, see `sandbox.providers.server`."""

import threading

from sandbox.providers.aws.clients import warm_up
from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.server import serve

if __name__ == "__main__":
    # The AWS SDK takes as long to load as all the rest: do it while the engine connects.
    threading.Thread(target=warm_up, daemon=True).start()
    serve(AwsProvider())
