"""Keeps secrets out of messages: whatever the program or a provider says, or an error tells.

Events and results carry secrets only in their wrapper; this is for free text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from sandbox.engine.applying.events import Diagnostic, Event, Listener, StepFailed
from sandbox.errors import KitError
from sandbox.wire.values import Output, Secret

_SHORTEST = 4
"""Shorter secrets are left alone: hiding every `1` would make messages unreadable."""


class Mask:
    """The secrets met so far.

    What is said in clear elsewhere is none: where a Kubernetes Secret holds a user name that is a
    namespace's name as well, hiding it would take the place out of every message.
    """

    def __init__(self) -> None:
        self._always: set[str] = set()
        self._texts: set[str] = set()
        self._clear: set[str] = set()
        self._ordered: list[str] = []

    def learn(self, value: Any) -> None:
        """Every text inside `value`, in clear and secret."""
        before = len(self._texts), len(self._clear)
        for text, secret in _texts(value, secret=False):
            if len(text) >= _SHORTEST:
                (self._texts if secret else self._clear).add(text)
        if before != (len(self._texts), len(self._clear)):
            self._order()

    def learn_texts(self, texts: Iterable[str]) -> None:
        """Texts that are secret wherever else they are said."""
        self._always |= {text for text in texts if len(text) >= _SHORTEST}
        self._order()

    def _order(self) -> None:
        # A secret may hold another: the longer one first.
        hidden = self._always | (self._texts - self._clear)
        self._ordered = sorted(hidden, key=len, reverse=True)

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


def _texts(value: Any, *, secret: bool) -> Iterator[tuple[str, bool]]:
    """Every text inside `value`, and whether it is secret there."""
    match value:
        case str():
            yield value, secret
        case dict():
            for inner in value.values():
                yield from _texts(inner, secret=secret)
        case list():
            for inner in value:
                yield from _texts(inner, secret=secret)
        case Secret():
            yield from _texts(value.value, secret=True)
        case Output():
            yield from _texts(value.value, secret=secret or value.secret)
