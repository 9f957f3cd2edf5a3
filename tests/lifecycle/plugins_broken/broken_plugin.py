"""A `fake` provider that does not keep to the protocol, as FAKE_BROKEN says.

silent, ends, talks, endless: what it does instead of printing its port. nobody, stranger:
what is behind the port. garbage METHOD, hang METHOD: how it answers to one call; the others
are answered as a provider does that makes everything at once.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf import empty_pb2, struct_pb2

from sandbox.wire.protos import provider_pb2

server: grpc.Server

HOW, _, METHOD = os.environ["FAKE_BROKEN"].partition(" ")
PID = Path(os.environ["FAKE_LOG"]).with_suffix(".pid")


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def check(data: bytes) -> bytes:
    request = provider_pb2.CheckRequest.FromString(data)
    return provider_pb2.CheckResponse(inputs=request.news).SerializeToString()


def create(data: bytes) -> bytes:
    request = provider_pb2.CreateRequest.FromString(data)
    properties = struct_pb2.Struct()
    properties.CopyFrom(request.properties)
    id_ = "" if request.preview else f"id-{request.name}"
    response = provider_pb2.CreateResponse(id=id_, properties=properties)
    return response.SerializeToString()


ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "Handshake": lambda data: provider_pb2.ProviderHandshakeResponse().SerializeToString(),
    "CheckConfig": check,
    "Configure": lambda data: provider_pb2.ConfigureResponse(
        supportsPreview=True
    ).SerializeToString(),
    "Check": check,
    "Create": create,
    "Cancel": lambda data: empty_pb2.Empty().SerializeToString(),
}


class Answers(grpc.GenericRpcHandler):
    """Bytes in, bytes out."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = details.method.rpartition("/")[2]
        if method == METHOD:
            return grpc.unary_unary_rpc_method_handler(lambda data, context: self.broken())
        answer = ANSWERS.get(method)
        if answer is None:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda data, context: answer(data))

    def broken(self) -> bytes:
        PID.write_text(str(os.getpid()))
        if HOW == "hang":
            time.sleep(600)
        return b"\xff\xfe garbage"


def stranger() -> int:
    """Something else that listens, and answers with what nobody understands."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            connection, _ = listener.accept()
            connection.sendall(b"220 mail.example.org ready\r\n" * 10)

    threading.Thread(target=answer, daemon=True).start()
    return int(listener.getsockname()[1])


def nobody() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def real() -> int:
    # Without a name it would be taken away, and with it the port.
    global server
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([Answers()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return int(port)


match HOW:
    case "silent":
        pass
    case "ends":
        sys.stderr.write("no such region\n")
        sys.exit(3)
    case "talks":
        say("welcome to fake 1.2.3\n")
    case "endless":
        say("x" * (1 << 25))
    case "stranger":
        say(f"{stranger()}\n")
    case "nobody":
        say(f"{nobody()}\n")
    case _:
        say(f"{real()}\n")
# Longer than any test, and not for ever.
time.sleep(300)
