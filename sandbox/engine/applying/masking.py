"""Keeps secrets out of messages: whatever the program or a provider says, or an error tells.

Events and results carry secrets only in their wrapper; this is for free text.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sandbox.engine.applying.events import Diagnostic, Event, Listener, StepFailed
from sandbox.errors import KitError
from sandbox.wire.values import Output, Secret, walk

_SHORTEST = 4
"""Shorter secrets are left alone: hiding every `1` would make messages unreadable."""


class Mask:
    """The secrets met so far."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._ordered: list[str] = []

    def learn(self, value: Any) -> None:
        """Every text inside a secret within `value`."""
        for node in walk(value):
            if isinstance(node, Secret) or (isinstance(node, Output) and node.secret):
                self.learn_texts(inner for inner in walk(node.value) if isinstance(inner, str))

    def learn_texts(self, texts: Iterable[str]) -> None:
        new = {text for text in texts if len(text) >= _SHORTEST} - self._texts
        if new:
            self._texts |= new
            # A secret may hold another: the longer one first.
            self._ordered = sorted(self._texts, key=len, reverse=True)

    def clean(self, text: str) -> str:
        for secret in self._ordered:
            if secret in text:
                text = text.replace(secret, "[secret]")
        return text

    def listener(self, listener: Listener) -> Listener:
        """One that hears no secret."""

        def masked(event: Event) -> None:
            match event:
                case Diagnostic() | StepFailed():
                    event = replace(event, message=self.clean(event.message))
            listener(event)

        return masked

    def clean_error(self, error: KitError) -> None:
        """In place, whatever its class; what it was raised from is not shown to anybody."""
        error.summary = self.clean(error.summary)
        error.detail = self.clean(error.detail)
        error.args = (error.summary,)
