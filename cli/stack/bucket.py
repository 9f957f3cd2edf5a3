"""The states of all stacks in the bucket that `pulumi login` chose, read without the CLI.

Each run of the CLI takes a third of a second of processor time, its own list of stacks reads all states one after the other, and
a look at one stack takes five runs. Who wants to see 200 of them reads the objects: they are what the
CLI's file backend writes (`cli.stack.checkpoint`), under the same names. Nothing is written here.
"""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from cli.base.paths import ROOT
from cli.cloud.errors import translated
from cli.cloud.resource import everything
from cli.stack import checkpoint
from cli.stack.place import BACKEND, HOME
from cli.stack.read_states import ReadStates

META: Final = ".pulumi/meta.yaml"
STACKS: Final = f".pulumi/stacks/{checkpoint.PROJECT}/"
PLAIN, PACKED = ".json", ".json.gz"
SWITCHES: Final = frozenset(
    {"region", "profile", "endpoint", "disableSSL", "s3ForcePathStyle", "awssdk"}
)
"""What is understood of the URL. Pulumi knows more: a bucket with that is left to it."""

MakeClient = Callable[[Mapping[str, str], str], Any]
"""A client of S3, by the place that boto3's Session takes and the endpoint."""


@dataclass(frozen=True)
class StoredStates:
    """One that was written by a CLI whose layout is known."""

    client: Any
    name: str
    folder: str
    keys: Mapping[str, str]
    """By the stack's name."""

    etags: Mapping[str, str]
    """By key: what S3 calls the content that it has at the moment."""

    read: ReadStates

    @classmethod
    def chosen(cls, environ: Mapping[str, str], make: MakeClient) -> Self | None:
        """None if Pulumi's login leads elsewhere, or to something that is only the CLI's to read. KitError if the bucket
        cannot be read."""
        url = urlsplit(login(environ))
        switches = {key: values[-1] for key, values in parse_qs(url.query).items()}
        if url.scheme != "s3" or not SWITCHES.issuperset(switches):
            return None
        place = {f"{key}_name": switches[key] for key in ("region", "profile") if switches.get(key)}
        folder = f"{url.path.strip('/')}/".lstrip("/")
        with translated(f"read the states in the bucket {url.netloc}"):
            read = ReadStates(url.geturl())
            return cls._of(make(place, _endpoint(switches)), url.netloc, folder, read)

    @classmethod
    def _of(cls, client: Any, name: str, folder: str, read: ReadStates) -> Self | None:
        listed = everything(
            client, "list_objects_v2", "Contents", Bucket=name, Prefix=folder + STACKS
        )
        keys, etags = {}, {}
        for item in listed:
            stack = str(item["Key"]).removeprefix(folder + STACKS)
            if "/" not in stack and stack.endswith((PLAIN, PACKED)):
                keys[stack.removesuffix(".gz").removesuffix(PLAIN)] = str(item["Key"])
                etags[str(item["Key"])] = str(item["ETag"])
        read.forget_others(etags.items())
        if not keys:
            # Nothing yet, or as Pulumi before 3.61 wrote it: its own CLI says which.
            return None
        meta = client.get_object(Bucket=name, Key=folder + META)["Body"].read()
        return cls(client, name, folder, keys, etags, read) if b"version: 1" in meta else None

    def state(self, stack: str) -> dict[str, Any]:
        """In the form of `pulumi stack export`. KitError if it cannot be read."""
        key = self.keys[stack]
        content = self.read.find(key, self.etags[key]) or self._asked(key)
        if key.endswith(".gz"):
            content = gzip.decompress(content)
        return checkpoint.parsed(content, f"s3://{self.name}/{key}", stack)

    def _asked(self, key: str) -> bytes:
        with translated(f"read the state {key}"):
            answer = self.client.get_object(Bucket=self.name, Key=key)
            content: bytes = answer["Body"].read()
        # It may have been written again since the list.
        self.read.keep(key, str(answer["ETag"]), content)
        return content


def _endpoint(switches: Mapping[str, str]) -> str:
    """With its scheme; empty for AWS' own."""
    found = switches.get("endpoint", "")
    if not found or "://" in found:
        return found
    return f"{'http' if switches.get('disableSSL') == 'true' else 'https'}://{found}"


def login(environ: Mapping[str, str], project: Path = ROOT) -> str:
    """The backend's URL, as the CLI finds it: its variable, then Pulumi.yaml, then the login. Empty if there is none."""
    if url := environ.get(BACKEND):
        return url
    return _of_project(project) or _logged_in(environ)


def _of_project(project: Path) -> str:
    import yaml

    try:
        document = yaml.safe_load((project / "Pulumi.yaml").read_text())
        return str(document["backend"]["url"] or "")
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return ""


def _logged_in(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    if not home and HOME not in environ:
        return ""
    folder = environ.get("PULUMI_CREDENTIALS_PATH") or environ.get(HOME) or f"{home}/.pulumi"
    try:
        return str(json.loads(Path(folder, "credentials.json").read_text())["current"] or "")
    except (OSError, ValueError, KeyError, TypeError):
        return ""
