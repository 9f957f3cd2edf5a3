"""Entry point: `MINISTACK_PYTHON -m sandbox.aws.standin`, with the settings in the environment."""

import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sandbox.aws.standin.settings import EmulatorSettings, emulator_environment


def main(extensions: Callable[[], Iterable[Any]] = tuple) -> None:
    """Serve until a signal. `extensions` gives what `services.Extension` describes; it is called
    when MiniStack can be imported."""
    settings = EmulatorSettings.read()
    environment = emulator_environment(settings)
    os.umask(0o077)
    for folder in (environment["STATE_DIR"], environment["S3_DATA_DIR"], environment["TMPDIR"]):
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.update(environment)
    tempfile.tempdir = environment["TMPDIR"]
    # MiniStack reads its settings while it is imported, so it comes after them. The type checker
    # does not look into the emulator's own environment.
    from hypercorn.asyncio import serve  # type: ignore[import-not-found]
    from hypercorn.config import Config  # type: ignore[import-not-found]

    from sandbox.aws.standin import emulator, internals
    from sandbox.aws.standin.gateway import Gateway

    if emulator.release() != emulator.RELEASE:
        sys.exit(f"MiniStack {emulator.release()} found, {emulator.RELEASE} needed")
    emulator.register_root(settings.root_key())
    internals.trust_no_well_known_key()
    internals.accept_tokens_for(settings.address)
    logging.getLogger("aerodrome.aws").setLevel(logging.INFO)
    config = Config()
    config.bind = [f"{settings.host}:{settings.port}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    asyncio.run(_serve(serve, Gateway(settings, extensions()), config))


async def _serve(serve: object, application: object, config: object) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await serve(application, config, shutdown_trigger=ended.wait)  # type: ignore[operator]


if __name__ == "__main__":
    main()
