"""The AWS part of a sandbox as processes: the emulator, and EKS Pod Identity on the node."""

import secrets
import string
import sys
from pathlib import Path

from sandbox import files, tools
from sandbox.aws.pod_identity.settings import PodIdentitySettings
from sandbox.aws.standin.settings import EmulatorSettings
from sandbox.instance import AWS_PORT, WEBHOOK_PORT, Instance
from sandbox.process import Process, Ready

EMULATOR = "aws"
POD_IDENTITY = "pod-identity"


def prepare(instance: Instance) -> None:
    """Make the folder and the account root's access key pair, once."""
    key = instance.aws_credentials
    key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if key.exists():
        return
    # Whole or not at all: half a file would be taken for a key.
    files.write_json(key, new_key(), 0o600)


def new_key() -> dict[str, str]:
    """A random access key pair in AWS' form."""
    letters = string.ascii_uppercase + "234567"
    return {
        "access_key_id": "AKIA" + "".join(secrets.choice(letters) for _ in range(16)),
        "secret_access_key": secrets.token_urlsafe(30),
    }


def processes(instance: Instance) -> list[Process]:
    """The emulator, which Kubernetes asks about tokens, and the node's Pod Identity."""
    return [_emulator(instance), _pod_identity(instance)]


def stand_in(instance: Instance) -> EmulatorSettings:
    """The emulator's settings in a sandbox."""
    return EmulatorSettings(
        state=instance.root / "aws",
        # The network namespace is the sandbox's own: pods, the node and the host's end of
        # the veth pair reach it, and nobody else.
        host="0.0.0.0",
        port=AWS_PORT,
        credentials=instance.aws_credentials,
        cluster_endpoint=instance.api_url,
        cluster_ca=instance.pki / "ca.crt",
        cluster_kubeconfig=instance.pki / "pod-identity.kubeconfig",
        # By the address that clients outside of it have as well: they are told of layers there.
        registry_url=f"http://{instance.registry}",
    )


def stand_in_process(
    settings: EmulatorSettings, python: Path, module: str = "sandbox.aws.standin"
) -> Process:
    """The emulator as a process, in a sandbox or, for tests, anywhere, with a module that extends it."""
    health = f"http://127.0.0.1:{settings.port}/_ministack/health"
    return Process(
        name=EMULATOR,
        argv=[str(python), "-m", module],
        env=_environment() | settings.environment(),
        ready=Ready(health),
    )


def _emulator(instance: Instance) -> Process:
    return stand_in_process(stand_in(instance), tools.ministack_python())


def _pod_identity(instance: Instance) -> Process:
    settings = PodIdentitySettings(
        aws_url=instance.aws_url,
        credentials=instance.aws_credentials,
        certificate=instance.pki / "webhook.crt",
        key=instance.pki / "webhook.key",
    )
    return Process(
        name=POD_IDENTITY,
        argv=[sys.executable, "-m", "sandbox.aws.pod_identity"],
        env=_environment() | settings.environment(),
        after=[EMULATOR],
        ready=Ready(f"tcp://127.0.0.1:{WEBHOOK_PORT}"),
    )


def _environment() -> dict[str, str]:
    """Both are modules of this checkout; the emulator's Python does not have it installed."""
    return {"PYTHONPATH": str(tools.ROOT), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}
