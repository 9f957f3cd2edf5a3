"""The Engine service: what the program and the plugins have to say."""

from typing import Any

from google.protobuf import empty_pb2

from sandbox.engine.applying.events import Diagnostic, Listener
from sandbox.wire.protos import engine_pb2, engine_pb2_grpc

SEVERITIES = ("debug", "info", "warning", "error")

STOPPING = "Resource monitor has terminated, shutting down"
"""What the SDK says for every registration that is refused while the engine stops: never
the true error, which was told before."""


class EngineLog(engine_pb2_grpc.EngineServicer):
    """Passes messages on as events; errors are kept, in their order."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._root = ""
        self.errors: list[str] = []

    async def Log(self, request: engine_pb2.LogRequest, context: Any) -> empty_pb2.Empty:
        severity = SEVERITIES[request.severity]
        # Debug messages are many and hold values.
        if severity == "debug" or STOPPING in request.message:
            return empty_pb2.Empty()
        if severity == "error":
            self.errors.append(request.message)
        self._listener(Diagnostic(severity, request.message, request.urn, request.ephemeral))
        return empty_pb2.Empty()

    async def GetRootResource(
        self, request: engine_pb2.GetRootResourceRequest, context: Any
    ) -> engine_pb2.GetRootResourceResponse:
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    async def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, context: Any
    ) -> engine_pb2.SetRootResourceResponse:
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    async def StartDebugging(
        self, request: engine_pb2.StartDebuggingRequest, context: Any
    ) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    async def RequirePulumiVersion(
        self, request: engine_pb2.RequirePulumiVersionRequest, context: Any
    ) -> engine_pb2.RequirePulumiVersionResponse:
        return engine_pb2.RequirePulumiVersionResponse()
