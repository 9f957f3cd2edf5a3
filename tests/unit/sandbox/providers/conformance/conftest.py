"""What the plugins need to be asked in earnest: the emulator, a Kubernetes API, a registry.

They are those of the providers' own tests.
"""

from tests.unit.sandbox.providers.aws.conftest import endpoint, registry
from tests.unit.sandbox.providers.docker_build.conftest import registry_address, store

__all__ = ["endpoint", "registry", "registry_address", "store"]
