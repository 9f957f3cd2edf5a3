"""The translation of errors into the gRPC statuses that Pulumi's engine understands.

Wraps every method of `server.Servicer`; nothing escapes it, so no traceback reaches a user.
"""

import functools
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2

from sandbox.errors import CloudError, KitError, PartiallyCreated, Unsupported, UserError
from sandbox.providers.translation import keep_secret
from sandbox.wire.marshal import from_struct, to_struct
from sandbox.wire.protos import provider_pb2, status_pb2

_Servicer = TypeVar("_Servicer")
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
_Method = Callable[[_Servicer, _Request, grpc.ServicerContext], _Answer]


def answers(
    method: _Method[_Servicer, _Request, _Answer],
) -> _Method[_Servicer, _Request, _Answer]:
    """A gRPC method whose exceptions become statuses that the engine can show."""

    @functools.wraps(method)
    def wrapper(self: _Servicer, request: _Request, context: grpc.ServicerContext) -> _Answer:
        try:
            return method(self, request, context)
        except PartiallyCreated as error:
            details = _partial_failure(error, request)
            context.set_trailing_metadata(
                (("grpc-status-details-bin", details.SerializeToString()),)
            )
            _abort(context, grpc.StatusCode.UNKNOWN, str(error))
        except CloudError as error:
            _abort(context, grpc.StatusCode.UNKNOWN, str(error))
        except Unsupported as error:
            _abort(context, grpc.StatusCode.UNIMPLEMENTED, str(error))
        except UserError as error:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except KitError as error:
            _abort(context, grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:
            package = getattr(getattr(self, "provider", None), "package", "unknown")
            _abort(context, grpc.StatusCode.INTERNAL, _bug(package, method, error))

    return wrapper


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    """gRPC's own abort, which raises; that much its types do not say."""
    context.abort(code, message)
    raise AssertionError("abort returned")


def _partial_failure(error: PartiallyCreated, request: Any) -> status_pb2.Status:
    old = from_struct(request.properties) if hasattr(request, "properties") else {}
    new = from_struct(request.news) if hasattr(request, "news") else old
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=to_struct(keep_secret(new, dict(error.outputs))),
            reasons=error.reasons or [error.summary],
            inputs=to_struct(new),
        )
    )
    return status_pb2.Status(
        code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail]
    )


def _bug(package: str, method: Callable[..., Any], error: Exception) -> str:
    """One line that says whose fault it is and where; the message may hold no values."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "sandbox" in frame.filename] or list(frames)
    place = ours[-1]
    file = place.filename.rpartition("sandbox/")[2]
    return (
        f"The sandbox's {package} provider failed in {method.__name__}: "
        f"{type(error).__name__}: {error} (sandbox/{file}:{place.lineno}). "
        "This is a bug in Aerodrome, please report it."
    )
