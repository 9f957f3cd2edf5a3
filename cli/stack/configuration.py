"""A stack's configuration: settings, secrets, and the passphrase that encrypts them."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from cli.base import passphrase
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.values import Secret
from cli.stack import config_file
from cli.stack.known import BATCH, Known, project_file
from cli.stack.place import HOME


class Configured(Known):
    """A stack whose configuration can be read and written."""

    @contextmanager
    def dry_run(self) -> Iterator[Self]:
        """For a preview: the configuration is a copy, and a stack that it takes is removed in the end."""
        if not self._place.apart:
            with self._dry_run_in_place():
                yield self
            return
        with tempfile.TemporaryDirectory(prefix="aerodrome-preview-") as folder:
            file = Path(folder) / self._place.config_file.name
            if self._place.config_file.exists():
                shutil.copyfile(self._place.config_file, file)
            project_file(file.parent, self._place.project)
            place = replace(self._place, config_file=file)
            if HOME in place.variables:
                # The CLI keeps a log of each run there.
                place = place.with_variables({HOME: str(Path(folder) / "home")})
            phrase = place.variables.get(passphrase.PASSPHRASE_FILE)
            if phrase and not Path(phrase).exists():
                # What a preview generates is nobody's secret.
                lent = Path(folder) / "passphrase"
                passphrase.create(lent)
                place = place.with_variables({passphrase.PASSPHRASE_FILE: str(lent)})
            if not self._there() and place.state is not None:
                # Its base may be another stack there.
                state = Path(folder) / "state"
                stacks = Path(".pulumi") / "stacks"
                if (place.state / stacks).exists():
                    shutil.copytree(place.state / stacks, state / stacks)
                state.mkdir(exist_ok=True)
                place = place.in_state(state)
            yield type(self)(place, self._look)

    @contextmanager
    def _dry_run_in_place(self) -> Iterator[None]:
        before = self._content()
        had = self._there()
        self._ours = self._content()
        try:
            yield
        finally:
            if not had and self._there():
                # A stack that somebody deployed meanwhile holds resources: Pulumi refuses to remove it.
                ended = self._cli().run(
                    *("stack", "rm", "--yes", "--preserve-config", "--stack", self._place.stack),
                    *BATCH,
                )
                self._exists = None if ended.code else False
            if self._content() == self._ours:
                self._put_back(before)

    def _put_back(self, content: bytes | None) -> None:
        if content is None:
            self._place.config_file.unlink(missing_ok=True)
        elif content != self._ours:
            self._place.config_file.write_bytes(content)

    def config(self) -> dict[str, Any]:
        if not self._there() and not self._place.config_file.exists():
            return {}
        self._require()
        found = json.loads(self._quietly("config", "--json", "--show-secrets") or "{}")
        found, _ = config_file.under_new_names(found)
        return {
            key: Secret(item.get("value", "")) if item.get("secret") else item.get("value", "")
            for key, item in found.items()
        }

    def configured(self) -> set[str]:
        return set(self._document())

    def plain(self) -> dict[str, str]:
        return config_file.plain(self._document())

    def _document(self) -> dict[str, Any]:
        """The configuration as it is in the file: secret values are dictionaries."""
        if not self._place.config_file.exists() and not self._place.apart:
            # In a fresh clone; finding the stack brings it back.
            self._there()
        return config_file.read(self._place.config_file)

    def rename_former_keys(self) -> list[str]:
        warnings = config_file.rename_former_keys(self._place.config_file)
        if warnings:
            self._ours = self._content()
        return warnings

    def set_config(self, key: str, value: str, *, secret: bool) -> None:
        self._require()
        self.rename_former_keys()
        kind = "--secret" if secret else "--plaintext"
        # From standard input: the list of processes shows every command line.
        self._quietly("config", "set", kind, key, given=value)
        self._ours = self._content()

    def set_plain(self, values: Mapping[str, str]) -> None:
        self._require()
        self.rename_former_keys()
        if values:
            pairs = [f"--plaintext={key}={value}" for key, value in values.items()]
            self._quietly("config", "set-all", *pairs)
            self._ours = self._content()

    def remove_config(self, key: str) -> None:
        self._require()
        self.rename_former_keys()
        self._quietly("config", "rm", key)
        self._ours = self._content()

    def change_passphrase(self, new: str, *, managed: bool) -> int:
        if self._place.checkpoint is None:
            raise UserError(
                f'The secrets of "{self._place.stack}" are not encrypted with a passphrase of this machine',
                "Pulumi's own command changes what encrypts them.",
                f"pulumi stack change-secrets-provider passphrase --stack {self._place.stack}",
            )
        self._require()
        self._settle_lock(lambda text: None)
        count = sum(1 for value in self._document().values() if isinstance(value, dict))
        environment = Environment(self._place.stack)
        passphrase.change(environment, new, self._encrypted, managed=managed)
        return count

    def _encrypted(self, new: str) -> dict[Path, str]:
        """State and configuration as they are with another passphrase: changed on copies."""
        stored = self._place.checkpoint
        assert stored is not None and self._place.state is not None
        files = (self._place.config_file, stored)
        with tempfile.TemporaryDirectory(prefix="aerodrome-passphrase-") as name:
            state = Path(name) / "state"
            copies = (Path(name) / files[0].name, state / stored.relative_to(self._place.state))
            copies[1].parent.mkdir(parents=True)
            for original, copy in zip(files, copies, strict=True):
                shutil.copyfile(original, copy)
            place = replace(self._place, config_file=copies[0]).in_state(state)
            given = f"{new}\n{new}\n"
            type(self)(place)._quietly(
                "stack", "change-secrets-provider", "passphrase", given=given
            )
            return {
                original: copy.read_text() for original, copy in zip(files, copies, strict=True)
            }
