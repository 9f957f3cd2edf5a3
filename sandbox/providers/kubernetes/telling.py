"""Tells the engine what is being waited for, which shows it to the user beside the resource."""

from collections.abc import Callable

import grpc

from sandbox.wire.protos import engine_pb2, engine_pb2_grpc

Tell = Callable[[str], None]

_SECONDS = 2.0


def nobody(_message: str) -> None:
    """Where no engine listens."""


class Teller:
    """The engine's log, at the address that a plugin is started with."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stub: engine_pb2_grpc.EngineStub | None = None

    def about(self, urn: str) -> Tell:
        """Tells about one resource. What can not be told is lost: it is only news."""
        if not self._address:
            return nobody

        def tell(message: str) -> None:
            if self._stub is None:
                self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._address))
            request = engine_pb2.LogRequest(
                severity=engine_pb2.LogSeverity.INFO, message=message, urn=urn
            )
            try:
                self._stub.Log(request, timeout=_SECONDS)
            except grpc.RpcError:
                return

        return tell
