"""The settings of the Pod Identity process, which it reads from its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.instance import POD_IDENTITY_ADDRESS, WEBHOOK_PORT

AWS_URL = "AERODROME_AWS_URL"
CREDENTIALS = "AERODROME_AWS_CREDENTIALS"
CERTIFICATE = "AERODROME_WEBHOOK_CERTIFICATE"
KEY = "AERODROME_WEBHOOK_KEY"
WEBHOOK = "AERODROME_WEBHOOK_ADDRESS"
AGENT = "AERODROME_AGENT_ADDRESS"


@dataclass(frozen=True)
class PodIdentitySettings:
    aws_url: str
    """The emulator, as pods reach it: the webhook hands it on."""

    credentials: Path
    """JSON file of the root's key pair, with which the node calls EKS."""

    certificate: Path
    key: Path
    """PEM files of the webhook's server certificate."""

    webhook: str = f"127.0.0.1:{WEBHOOK_PORT}"
    agent: str = f"{POD_IDENTITY_ADDRESS}:80"

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "PodIdentitySettings":
        return cls(
            aws_url=environ[AWS_URL],
            credentials=Path(environ[CREDENTIALS]),
            certificate=Path(environ[CERTIFICATE]),
            key=Path(environ[KEY]),
            webhook=environ[WEBHOOK],
            agent=environ[AGENT],
        )

    def environment(self) -> dict[str, str]:
        """The variables that `read` reads."""
        return {
            AWS_URL: self.aws_url,
            CREDENTIALS: str(self.credentials),
            CERTIFICATE: str(self.certificate),
            KEY: str(self.key),
            WEBHOOK: self.webhook,
            AGENT: self.agent,
        }


def host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
