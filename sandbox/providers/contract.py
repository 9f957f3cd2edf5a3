"""The interface of a provider in plain types: Pulumi's ResourceProvider without gRPC.

`server.py` serves any `Provider` over Pulumi's protocol; providers know only this module,
`sandbox.wire.values` and `sandbox.errors`. Fields carry upstream's meaning
(proto/pulumi/provider.proto); the comments say only what that leaves open.

Secrets: check, diff, create, read, update, delete and invoke get values without Secret
wrappers. The server marks what they return: a top-level key that was secret in the
inputs (for read and update: in the old outputs too) is secret in the answer, inner marks
kept where the value is unchanged. A provider wraps in Secret only what is secret by its
nature (a made password) or what it copies to another key.

Statuses: CloudError is UNKNOWN, PartiallyCreated UNKNOWN with Pulumi's
ErrorResourceInitFailed as detail, UserError INVALID_ARGUMENT, Unsupported UNIMPLEMENTED,
anything else INTERNAL and reported as our bug. The status message is the error's text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.errors import Unsupported
from sandbox.wire.values import Properties


@dataclass(frozen=True)
class CheckFailure:
    """One property that is not right; `property` may be empty."""

    property: str
    reason: str


@dataclass(frozen=True)
class ConfigureRequest:
    """`inputs` are the checked provider inputs; Pulumi's JSON-in-string is decoded."""

    inputs: Properties


@dataclass(frozen=True)
class CheckRequest:
    """`olds` are the former inputs ({} if new), `news` what the program asks for."""

    urn: str
    type: str
    name: str
    olds: Properties
    news: Properties
    random_seed: bytes = b""


@dataclass(frozen=True)
class CheckResult:
    """`inputs` are `news` with defaults filled in, autonames included."""

    inputs: Properties
    failures: Sequence[CheckFailure] = ()


@dataclass(frozen=True)
class DiffRequest:
    """The change of `old_inputs` (as checked) to `news`; what is to be ignored has been applied already."""

    urn: str
    type: str
    id: str
    old_inputs: Properties
    old_outputs: Properties
    news: Properties


@dataclass(frozen=True)
class DiffResult:
    """`changes` are the top-level input keys that differ, `replaces` those among them
    that can not be changed in place."""

    changes: Sequence[str] = ()
    replaces: Sequence[str] = ()
    delete_before_replace: bool = False


@dataclass(frozen=True)
class CreateRequest:
    """In a preview nothing may be made; outputs that are not known are UNKNOWN."""

    urn: str
    type: str
    name: str
    inputs: Properties
    preview: bool = False


@dataclass(frozen=True)
class CreateResult:
    """`id` is ignored in a preview."""

    id: str
    outputs: Properties


@dataclass(frozen=True)
class ReadRequest:
    """`inputs` and `outputs` are {} when the engine knows only the id (get, import)."""

    urn: str
    type: str
    id: str
    inputs: Properties
    outputs: Properties


@dataclass(frozen=True)
class ReadResult:
    """The resource as it is. `inputs` in the form that Check would give."""

    id: str
    inputs: Properties
    outputs: Properties


@dataclass(frozen=True)
class UpdateRequest:
    """Change `id` from `old_inputs` to `inputs`."""

    urn: str
    type: str
    id: str
    old_inputs: Properties
    old_outputs: Properties
    inputs: Properties
    preview: bool = False


@dataclass(frozen=True)
class DeleteRequest:
    """Delete `id`. That it is gone already is no error."""

    urn: str
    type: str
    id: str
    inputs: Properties
    outputs: Properties


@dataclass(frozen=True)
class InvokeRequest:
    """A data source: no side effects."""

    token: str
    arguments: Properties


class Provider:
    """The base of every provider: refuses by name what a subclass does not answer.

    Errors are raised, not returned: CloudError and its subclasses (PartiallyCreated keeps
    the state), UserError, Unsupported. Methods may be called from several threads.
    """

    package = ""
    version = ""

    text_properties: frozenset[str] = frozenset()
    """Provider inputs that are text even where they look like JSON, such as a kubeconfig."""

    def check_config(self, request: CheckRequest) -> CheckResult:
        """Provider inputs, checked; the default takes them as they are."""
        return CheckResult(request.news)

    def diff_config(self, request: DiffRequest) -> DiffResult:
        """The default: a changed provider input never replaces what it made."""
        keys = sorted(request.old_inputs.keys() | request.news.keys())
        changed = [k for k in keys if request.old_inputs.get(k) != request.news.get(k)]
        return DiffResult(changes=changed)

    def configure(self, request: ConfigureRequest) -> None:
        """Called once, before everything but check_config and diff_config."""

    def check(self, request: CheckRequest) -> CheckResult:
        raise self._refuse("resource type", request.type)

    def diff(self, request: DiffRequest) -> DiffResult:
        raise self._refuse("resource type", request.type)

    def create(self, request: CreateRequest) -> CreateResult:
        raise self._refuse("resource type", request.type)

    def read(self, request: ReadRequest) -> ReadResult | None:
        """None if the resource is gone."""
        raise self._refuse("resource type", request.type)

    def update(self, request: UpdateRequest) -> Properties:
        """The new outputs."""
        raise self._refuse("resource type", request.type)

    def delete(self, request: DeleteRequest) -> None:
        raise self._refuse("resource type", request.type)

    def invoke(self, request: InvokeRequest) -> Properties:
        raise self._refuse("function", request.token)

    def cancel(self) -> None:
        """Give up what is under way, soon. May be called from another thread."""

    def _refuse(self, kind: str, name: str) -> Unsupported:
        return Unsupported(
            f"The sandbox's {self.package} provider does not know the {kind} {name}",
            "What it does not do as the real provider does, it refuses.",
        )


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The top-level keys whose values differ, sorted; a missing key equals None."""
    return sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))
