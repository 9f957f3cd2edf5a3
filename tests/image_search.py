"""Looks for secrets in an image as it was pushed: in its configuration, and in every file of every layer, those that a layer above
deletes or replaces included."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cli.cloud.image_content import File, ImageContent

ACCESS_KEY = re.compile(rb"(?<![A-Za-z0-9/+])A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9/+])")
EXAMPLE = b"EXAMPLE"
"""How the access keys of AWS' documentation end."""

PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{32}")
PUBLISHED = re.compile(r"(?:.*/)?(?:tornado/test/test\.key|libgnutls\.so\.[\d.]+)")
"""Files with private keys that everybody has: of a library's tests, and of GnuTLS' test of itself."""

IN_AN_ADDRESS = re.compile(rb"://[^/\s:@]+:[^/\s@]+@")
WITH_LOGINS = re.compile(
    r"(?:.*/)?(?:[._]netrc|\.pypirc|\.git-credentials|\.pgpass|\.aws/credentials|\.docker/config\.json|\.ssh/id_\w+)"
)
"""Files that are there to hold a login."""

INSTALLERS = re.compile(
    r"(?:.*/)?(?:pip\.(?:conf|ini)|uv\.toml|\.?npmrc|sources\.list|[^/]+\.sources|auth\.conf)"
)
"""Files in which an index may be named together with a login."""

SHORTEST = 6
"""What is shorter is found by chance."""


@dataclass
class Search:
    """`secrets` by name. Layers that images share are looked at once."""

    secrets: Mapping[str, str]
    looked_at: set[str] = field(default_factory=set)
    files: int = 0

    def __post_init__(self) -> None:
        self._forms = {
            form: name
            for name, secret in self.secrets.items()
            if len(secret) >= SHORTEST
            for form in (secret.encode(), base64.b64encode(secret.encode()))
        }

    def findings(self, image: ImageContent) -> list[str]:
        """What is where."""
        told = File("its configuration", False, json.dumps(image.config).encode())
        found = list(self._in(told))
        for digest in image.layers:
            if digest not in self.looked_at:
                self.looked_at.add(digest)
                for file in image.files(digest):
                    self.files += 1
                    found += [f"{one} (layer {digest[:19]})" for one in self._in(file)]
        return [f"{image.reference}: {one}" for one in found]

    def _in(self, file: File) -> Iterator[str]:
        text = file.content
        for form, name in self._forms.items():
            if form in text:
                yield f"{name} in {file.path}"
        if any(not key.endswith(EXAMPLE) for key in _access_keys(text)):
            yield f"an access key of AWS in {file.path}"
        private = b"PRIVATE KEY-----" in text and PRIVATE_KEY.search(text)
        if private and not PUBLISHED.fullmatch(file.path):
            yield f"a private key in {file.path}"
        if WITH_LOGINS.fullmatch(file.path) and text.strip():
            yield f"a file with a login: {file.path}"
        if INSTALLERS.fullmatch(file.path) and IN_AN_ADDRESS.search(text):
            yield f"a login in an address in {file.path}"


def _access_keys(text: bytes) -> list[bytes]:
    """The expression is slow; most files have neither beginning."""
    return ACCESS_KEY.findall(text) if b"AKIA" in text or b"ASIA" in text else []
