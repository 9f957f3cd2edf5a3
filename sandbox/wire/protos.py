"""Pulumi's generated protocol modules without the rest of its SDK.

`import pulumi.runtime.proto.provider_pb2` imports the whole SDK on the way: half a second
and 30 MB in every plugin. Here the folder that holds the modules is a package of its own,
under another name; if the SDK is imported too, both share one descriptor pool and the same
message classes. Use: `from sandbox.wire.protos import provider_pb2`.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import engine_pb2 as engine_pb2
    from pulumi.runtime.proto import engine_pb2_grpc as engine_pb2_grpc
    from pulumi.runtime.proto import plugin_pb2 as plugin_pb2
    from pulumi.runtime.proto import provider_pb2 as provider_pb2
    from pulumi.runtime.proto import provider_pb2_grpc as provider_pb2_grpc
    from pulumi.runtime.proto import resource_pb2 as resource_pb2
    from pulumi.runtime.proto import resource_pb2_grpc as resource_pb2_grpc
    from pulumi.runtime.proto import status_pb2 as status_pb2

_PACKAGE = "aerodrome_pulumi_protos"


def __getattr__(name: str) -> ModuleType:
    if not name.endswith(("_pb2", "_pb2_grpc")):
        raise AttributeError(name)
    if _PACKAGE not in sys.modules:
        sys.modules[_PACKAGE] = _package()
    return importlib.import_module(f"{_PACKAGE}.{name}")


def _package() -> ModuleType:
    # find_spec of a top-level name only looks for the package, it does not run it.
    spec = importlib.util.find_spec("pulumi")
    if spec is None or spec.origin is None:
        raise ImportError("Pulumi's Python SDK is not installed in this environment")
    package = ModuleType(_PACKAGE, "Pulumi's protocol modules")
    package.__path__ = [str(Path(spec.origin).parent / "runtime" / "proto")]
    return package
