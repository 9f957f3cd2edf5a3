"""The plugin executable `pulumi-resource-docker-build`."""

from sandbox.providers.docker_build.provider import DockerBuildProvider
from sandbox.providers.server import serve

if __name__ == "__main__":
    serve(DockerBuildProvider())
