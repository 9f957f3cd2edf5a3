"""Tells the engine what a resource is waiting for, which shows it to the user.

A plugin that has something to tell is given `News.about` when it starts; beside `server.py`,
the only module here that speaks to the engine.
"""

from collections.abc import Callable

import grpc

from sandbox.wire.protos import engine_pb2, engine_pb2_grpc

_SECONDS = 2.0


class News:
    """The engine's log, at the address that a plugin is started with."""

    def __init__(self, address: str) -> None:
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def about(self, urn: str) -> Callable[[str], None]:
        """Tells about one resource. What can not be told is lost: it is only news."""

        def tell(message: str) -> None:
            request = engine_pb2.LogRequest(
                severity=engine_pb2.LogSeverity.INFO, message=message, urn=urn
            )
            try:
                self._stub.Log(request, timeout=_SECONDS)
            except grpc.RpcError:
                return

        return tell
