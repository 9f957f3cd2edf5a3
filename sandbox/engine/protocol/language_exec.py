"""Runs a Pulumi program in a process of its own; started with the program's own Python.

Stands in for `pulumi-language-python-exec`, which is not part of the SDK's wheel: same
options, same environment inside the program. One thing differs: the configuration comes as
one line of JSON on standard input, so that the SDK is imported while the engine still
decrypts it. Imports nothing of the project: the program's environment need not have it.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import linecache
import logging
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_RPC_THREADS = 64
"""Each registration waits in a thread until it is done; asyncio's own default would let six
wait at a time on two processors."""

_GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""Python looks for cycles after every 700 new objects. Almost none of what SDKs and programs make are garbage: a
quarter of their time went into looking."""

_DIE_WITH_PARENT = 1
_ARENAS = -8


def main() -> int:
    # A killed engine must not leave a program behind (prctl PR_SET_PDEATHSIG).
    libc = ctypes.CDLL(None)
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    # One heap for all threads (mallopt M_ARENA_MAX): they only wait for the engine.
    libc.mallopt(_ARENAS, 1)
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    # The engine decides when to stop; a traceback of KeyboardInterrupt explains nothing.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    arguments = _parser().parse_args()
    # Python puts this file's folder first: its modules are none of the program's business.
    sys.path.pop(0)
    try:
        import pulumi
        import pulumi.runtime
    except ImportError as error:
        print(f"Pulumi's Python SDK cannot be imported: {error}", file=sys.stderr)  # noqa: T201
        return 1
    config = json.loads(sys.stdin.readline())
    os.environ["PULUMI_CONFIG"] = json.dumps(config["values"])
    os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(config["secret_keys"])
    pulumi.runtime.set_all_config(config["values"], config["secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=arguments.monitor,
            engine=_QuietEngine(arguments.engine),
            project=arguments.project,
            stack=arguments.stack,
            parallel=int(arguments.parallel),
            dry_run=arguments.dry_run == "true",
            organization=arguments.organization,
            root_directory=arguments.root_directory,
        )
    )
    sys.argv = [arguments.PROGRAM, *arguments.ARGS]
    os.chdir(arguments.pwd)
    return _run(arguments.PROGRAM)


class _QuietEngine:
    """The Engine service, spared of debug messages: the SDK sends eight for each resource,
    one at a time, and nobody would read them."""

    def __init__(self, address: str) -> None:
        import grpc
        from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

        self._debug = engine_pb2.DEBUG
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def Log(self, request: Any) -> Any:
        return None if request.severity == self._debug else self._stub.Log(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run a Pulumi program")
    for name in (
        "project",
        "stack",
        "parallel",
        "dry_run",
        "pwd",
        "monitor",
        "engine",
        "organization",
        "root_directory",
    ):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("PROGRAM")
    parser.add_argument("ARGS", nargs="*")
    return parser


def _run(program: str) -> int:
    import pulumi
    import pulumi.runtime

    # Futures that nobody awaits are normal when a deployment stops half way.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(_RPC_THREADS))
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _execute(program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        pulumi.log.error(_explain(error))
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


async def _execute(program: str) -> None:
    runpy.run_path(program, run_name="__main__")
    # The SDK tells where each resource is made; the sources that it read for that are not needed any more.
    linecache.clearcache()
    # Let the registrations begin. The SDK then awaits them one by one; if it finds none begun,
    # it waits for any of all outputs, again and again: 5,000 resources took a minute.
    await asyncio.sleep(0)


def _explain(error: BaseException) -> str:
    """The error and the place in the program it came from, without the frames between."""
    frames = traceback.extract_tb(error.__traceback__)
    root = str(Path.cwd().parent)
    own = [frame for frame in frames if _is_own(frame.filename, root)]
    text = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SyntaxError) or not own:
        return text
    place = own[-1]
    line = f"\n    {place.line}" if place.line else ""
    return f"{text}\n  in {place.filename}, line {place.lineno}, in {place.name}{line}"


def _is_own(filename: str, root: str) -> bool:
    inside = filename.startswith(root) or not Path(filename).is_absolute()
    return inside and "site-packages" not in filename and not filename.startswith("<")


if __name__ == "__main__":
    code = main()
    # Threads that still wait for a registration must not keep a failed program alive.
    os._exit(code)
