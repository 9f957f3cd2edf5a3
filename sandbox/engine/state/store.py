"""Where stacks are kept: the layout of Pulumi's file backend, so that its CLI reads it with
`file://STATE_DIR`.

    STATE_DIR/.pulumi/meta.yaml
    STATE_DIR/.pulumi/stacks/PROJECT/STACK.json           the checkpoint, and .bak before it
    STATE_DIR/.pulumi/stacks/PROJECT/STACK.journal        what happened since (ours alone)
    STATE_DIR/.pulumi/locks/organization/PROJECT/STACK/   one JSON file while somebody works
    STATE_DIR/.pulumi/{history,backups}/PROJECT/STACK/    see `history`

Files appear whole or not at all: written beside, flushed, renamed.
"""

import hashlib
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.engine.model import urn as urns
from sandbox.engine.state import checkpoint, journal
from sandbox.engine.state.files import write_whole
from sandbox.engine.state.ledger import Ledger
from sandbox.engine.state.secrets import Secrets
from sandbox.engine.state.snapshot import PendingOperation, Snapshot, verify
from sandbox.errors import UserError

ORGANIZATION = "organization"


class StackStore:
    """The files of one stack."""

    def __init__(self, state_dir: Path, project: str, stack: str) -> None:
        self.project = project
        self.stack = stack
        root = state_dir / ".pulumi"
        self._meta = root / "meta.yaml"
        self.checkpoint = root / "stacks" / project / f"{stack}.json"
        self.journal = self.checkpoint.with_suffix(".journal")
        self.lock_dir = root / "locks" / ORGANIZATION / project / stack
        self.history_dir = root / "history" / project / stack
        self.backup_dir = root / "backups" / project / stack

    def exists(self) -> bool:
        return self.checkpoint.exists() or self.journal.exists()

    def read(self) -> "Stored":
        """The checkpoint as it lies on the disk; an absent one is an empty stack."""
        try:
            data = self.checkpoint.read_bytes()
        except FileNotFoundError:
            return Stored(self, "", {})
        except OSError as error:
            raise UserError(
                f"The state file {self.checkpoint} cannot be read", error.strerror or ""
            ) from error
        return Stored(self, hashlib.sha256(data).hexdigest(), self._parse(data))

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            document = json.loads(data)
            if document["version"] != 3:
                raise UserError(
                    f"The state file {self.checkpoint} has version {document['version']}",
                    "This engine reads version 3.",
                )
            latest: dict[str, Any] = document["checkpoint"].get("latest") or {}
            for resource in latest.get("resources") or ():
                self.check_origin(resource["urn"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"The state file {self.checkpoint} is damaged",
                "It does not hold a Pulumi checkpoint. The one before the last change is kept "
                f"beside it as {self.checkpoint.name}.bak.",
            ) from error
        return latest

    def check_origin(self, urn: str) -> None:
        """Refuse a resource of another stack."""
        origin = (urns.project_of(urn), urns.stack_of(urn))
        if origin != (self.project, self.stack):
            raise UserError(
                f"The state file {self.checkpoint} belongs to another stack",
                f"It holds resources of {'/'.join(origin)}, but this is "
                f"{self.project}/{self.stack}.",
            )

    def save(self, deployment: dict[str, Any]) -> None:
        """Replace the checkpoint; what it held before stays beside it as .bak."""
        document = {
            "version": 3,
            "checkpoint": {
                "stack": f"{ORGANIZATION}/{self.project}/{self.stack}",
                "latest": deployment,
            },
        }
        data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            if not self._meta.exists():
                write_whole(self._meta, b"version: 1\n")
            if self.checkpoint.exists():
                backup = self.checkpoint.with_suffix(".json.bak")
                backup.unlink(missing_ok=True)
                os.link(self.checkpoint, backup)
            write_whole(self.checkpoint, data)
        except OSError as error:
            raise journal.unwritable(self.checkpoint, error) from error

    def remove(self) -> None:
        """Delete the stack's files; UserError if it still holds resources."""
        if self.journal.exists() or self.read().latest.get("resources"):
            raise UserError(
                f"The stack {self.project}/{self.stack} still holds resources",
                "Without its state nobody would find them again. Destroy them first.",
            )
        for folder in (self.history_dir, self.backup_dir):
            shutil.rmtree(folder, ignore_errors=True)
        # The checkpoint last: killed before, the stack is there and can be removed again.
        self.checkpoint.with_suffix(".json.bak").unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)


class Stored:
    """What was read from the disk, not yet decrypted."""

    def __init__(self, store: StackStore, digest: str, latest: dict[str, Any]) -> None:
        self.store = store
        self.digest = digest
        self.latest = latest

    @property
    def salt(self) -> str:
        """The salt line of the stack's secrets; empty if it has none yet."""
        provider = self.latest.get("secrets_providers") or {}
        kind = provider.get("type")
        if kind and kind != "passphrase":
            raise UserError(
                f"The stack's secrets are kept by {kind}",
                "This engine knows passphrases only.",
            )
        return str((provider.get("state") or {}).get("salt") or "")

    def providers(self, *, only_owners: bool = False) -> dict[str, int]:
        """How many differently configured providers of each package the checkpoint has.
        `only_owners`: of those that resources in the cloud belong to. Needs no key."""
        resources: list[dict[str, Any]] = self.latest.get("resources") or []
        owners = {r.get("provider") for r in resources if r.get("custom")}
        found: dict[str, set[str]] = {}
        for resource in resources:
            if urns.is_provider(resource["type"]) and not resource.get("delete"):
                if only_owners and f"{resource['urn']}::{resource.get('id')}" not in owners:
                    continue
                inputs = {**(resource.get("inputs") or {}), "version": ""}
                package = urns.package_of(resource["type"])
                found.setdefault(package, set()).add(json.dumps(inputs, sort_keys=True))
        return {package: len(inputs) for package, inputs in found.items()}

    def ledger(self, secrets: Secrets) -> Ledger:
        """The resources, with what the journal adds. Needs the key if there are secrets."""
        documents = list(self.latest.get("resources") or ())
        try:
            snapshot = Snapshot(
                [checkpoint.decode_state(document, secrets) for document in documents],
                [
                    PendingOperation(
                        item["type"],
                        checkpoint.decode_state(item["resource"], secrets),
                        item.get("aerodromeToken", ""),
                    )
                    for item in self.latest.get("pending_operations") or ()
                ],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"The state file {self.store.checkpoint} is damaged",
                f"A resource in it is not as Pulumi writes it ({error}).",
            ) from error
        ledger = Ledger(snapshot, secrets, documents)
        for record in journal.read(self.store.journal, self.digest):
            ledger.replay(record)
        return ledger


def deployment(ledger: Ledger, salt: str) -> dict[str, Any]:
    """A ledger in the form that `pulumi stack export` gives and `import` takes."""
    snapshot = ledger.snapshot()
    verify(snapshot.resources)
    document: dict[str, Any] = {
        "manifest": {"time": now(), "magic": "", "version": ""},
    }
    if salt:
        document["secrets_providers"] = {"type": "passphrase", "state": {"salt": salt}}
    resources = ledger.documents()
    if resources:
        document["resources"] = resources
    if snapshot.pending:
        document["pending_operations"] = ledger.pending_documents()
    document["metadata"] = {}
    return document


def now() -> str:
    """This moment as Pulumi writes times."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
