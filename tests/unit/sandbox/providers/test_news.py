"""What a provider tells reaches the engine's log; what can not be told is no failure."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import empty_pb2

from sandbox.providers.news import News
from sandbox.wire.protos import engine_pb2, engine_pb2_grpc

URN = "urn:pulumi:dev::shop::kubernetes:core/v1:Service::web"


class Engine(engine_pb2_grpc.EngineServicer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, str, str]] = []

    def Log(self, request: engine_pb2.LogRequest, context: object) -> empty_pb2.Empty:
        self.heard.append((request.severity, request.urn, request.message))
        return empty_pb2.Empty()


def test_news_reach_the_engine() -> None:
    engine, server = Engine(), grpc.server(ThreadPoolExecutor(1))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    News(f"127.0.0.1:{port}").about(URN)("Waiting: nothing is there")
    server.stop(None)
    assert engine.heard == [(engine_pb2.LogSeverity.INFO, URN, "Waiting: nothing is there")]


def test_an_engine_that_is_away_is_no_failure() -> None:
    News("127.0.0.1:9").about(URN)("Waiting")
