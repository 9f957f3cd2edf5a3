"""The base of every AWS resource type: a subclass says what is particular, as data if it can.

`provider.py` finds the class by type token and calls check, diff, make, look, change and
remove, all written here; these call the subclass's create, finish, read, update, retag and
delete, which speak to AWS and nothing else. Exceptions of botocore pass through: the
provider translates them.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox.errors import CloudError, EngineBug, KitError, PartiallyCreated
from sandbox.providers import contract
from sandbox.providers.aws import comparison
from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.refusals import absent, translated
from sandbox.providers.aws.unsupported import asks_for_nothing
from sandbox.wire.values import (
    UNKNOWN,
    Properties,
    ResourceReference,
    Value,
    has_unknowns,
    transform,
)

EMPTY: tuple[Value, ...] = (None, "", [], {})
"""What says that a setting is not set."""


@dataclass(frozen=True)
class Known:
    """A resource as the engine knows it: what `read`, `update` and `delete` may lean on.

    Both are {} when only the id is known (get, import).
    """

    id: str
    inputs: Properties
    outputs: Properties

    def get(self, key: str, default: Value = None) -> Value:
        """An output, else an input, else `default`."""
        return self.outputs.get(key, self.inputs.get(key, default))


@dataclass(frozen=True)
class Created:
    """The result of `create` if its answer holds something that can not be read later."""

    id: str
    outputs: Properties


class Resource:
    """One AWS resource type. Instances hold no state but their clients."""

    TYPE: ClassVar[str]
    SERVICE: ClassVar[str]
    """The client's name in the AWS SDK."""

    REPLACE_ON: ClassVar[frozenset[str]] = frozenset()
    """Inputs that AWS can not change. With IN_PLACE and `tags` these are all that the
    stand-in supports; others are refused."""
    IN_PLACE: ClassVar[frozenset[str]] = frozenset()
    """Inputs that `update` can change."""
    DEFAULTS: ClassVar[Mapping[str, Value]] = {}
    """What the real provider fills in for inputs that the program leaves out."""
    COMPUTED: ClassVar[tuple[str, ...]] = ()
    """Outputs that only AWS knows, unless they are inputs too; unknown in a preview."""
    COMPUTED_INSIDE: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The same for keys inside of an input that is an object."""
    JSON: ClassVar[frozenset[str]] = frozenset()
    """Inputs that are JSON documents: compared by what they say."""
    FIELDS: ClassVar[Mapping[str, str]] = {}
    """The properties that AWS describes in Pulumi's form: property -> name in AWS's description."""
    ORDERED: ClassVar[frozenset[str]] = frozenset()
    """Lists whose order means something. That of all others does not."""
    NAME: ClassVar[str] = ""
    """The input that gets a made-up name if the program gives none."""
    LONGEST_NAME: ClassVar[int] = 64
    TAGGED: ClassVar[bool] = True
    DELETE_FIRST: ClassVar[bool] = False
    """Whether a replacement can only be made when the old one is gone."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    @property
    def client(self) -> Any:
        return self.aws.client(self.SERVICE)

    # What a subclass writes.

    def create(self, inputs: Properties) -> str | Created:
        """Make it with one call if possible; the id. `tags` are there, if only as {}."""
        raise NotImplementedError(self.TYPE)

    def finish(self, known: Known) -> None:
        """The settings that need calls of their own, and waiting until it is ready.

        If this fails, the resource is kept as partly created.
        """

    def read(self, known: Known) -> Properties | None:
        """Its state: a key that is absent could not be read, one that is None is not set.

        `id` is there if what was imported is not the id.
        """
        raise NotImplementedError(self.TYPE)

    def described(self, item: Mapping[str, Any]) -> Properties:
        """The part of the state that FIELDS names."""
        return {
            key: None if item.get(name) in EMPTY else item[name]
            for key, name in self.FIELDS.items()
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """Change the inputs named in `changes`, which are all of IN_PLACE."""
        if changes:
            raise EngineBug(f"{self.TYPE} can not update", ", ".join(sorted(changes)))

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        """Set the tags `add` and take away those named in `remove`."""
        raise NotImplementedError(self.TYPE)

    def delete(self, known: Known) -> None:
        raise NotImplementedError(self.TYPE)

    def derive(self, inputs: Properties) -> Properties:
        """Outputs that are known before anything is made (an ARN with the name in it)."""
        return {}

    def validate(self, inputs: Properties) -> list[contract.CheckFailure]:
        """The failures of checked inputs that the base does not find."""
        return []

    # What the provider calls.

    def check(
        self, request: contract.CheckRequest, default_tags: Mapping[str, str]
    ) -> contract.CheckResult:
        """Inputs with references resolved, names and tags filled in, defaults too."""
        given = {k: v for k, v in request.news.items() if v is not None}
        given = transform(given, _referenced)
        given.pop("tagsAll", None)
        inputs = dict(self.DEFAULTS) | given
        if self.NAME:
            self._name(inputs, request)
        if self.TAGGED and inputs.get("tags") is not UNKNOWN:
            tags = dict(default_tags) | dict(inputs.get("tags") or {})
            if tags:
                inputs["tags"] = tags
        failures = [
            contract.CheckFailure(
                key, f"The sandbox's aws provider does not support this property of {self.TYPE}"
            )
            for key in sorted(given.keys() - self.supported)
            if not asks_for_nothing(self.TYPE, key, given[key])
        ]
        region = inputs.pop("region", self.aws.region)
        if region is not UNKNOWN and region != self.aws.region:
            failures.append(
                contract.CheckFailure("region", f"The sandbox has one region, {self.aws.region}")
            )
        return contract.CheckResult(inputs, failures + self.validate(inputs))

    def diff(self, request: contract.DiffRequest) -> contract.DiffResult:
        changes = [
            key
            for key in sorted(request.old_inputs.keys() | request.news.keys())
            if key in self.supported
            and not self.same(key, request.old_inputs.get(key), request.news.get(key))
        ]
        replaces = sorted(self.replaces(request.old_inputs, request.news, frozenset(changes)))
        return contract.DiffResult(changes, replaces, bool(replaces) and self.DELETE_FIRST)

    def replaces(self, old: Properties, new: Properties, changes: Set[str]) -> Set[str]:
        """Those of `changes` that can not be made in place."""
        return changes & self.REPLACE_ON

    def make(self, request: contract.CreateRequest) -> contract.CreateResult:
        if request.preview:
            return contract.CreateResult("", self._foreseen(request.inputs))
        inputs = dict(request.inputs)
        if self.TAGGED:
            inputs["tags"] = inputs.get("tags") or {}
        with self.aws.retries.creating():
            made = self.create(inputs)
        created = made if isinstance(made, Created) else Created(made, {})
        known = Known(created.id, request.inputs, created.outputs)
        try:
            with translated(request.urn, "create"):
                self.finish(known)
                return contract.CreateResult(created.id, self._outputs(known))
        except KitError as error:
            raise PartiallyCreated(
                f"{request.name} was made but is not ready: {error.summary}",
                resource_id=created.id,
                outputs=request.inputs | created.outputs,
                reasons=[str(error)],
                urn=request.urn,
                operation="create",
            ) from error

    def _foreseen(self, inputs: Properties) -> Properties:
        """The outputs that are known before anything is made."""
        outputs = dict.fromkeys(self.COMPUTED, UNKNOWN) | inputs
        for key, inside in self.COMPUTED_INSIDE.items():
            if isinstance(inputs.get(key), dict):
                outputs[key] = dict.fromkeys(inside, UNKNOWN) | inputs[key]
        if self.TAGGED:
            outputs["tagsAll"] = inputs.get("tags", {})
        return outputs if has_unknowns(inputs) else outputs | self.derive(inputs)

    def look(self, known: Known) -> contract.ReadResult | None:
        """Inputs as Check would give them and outputs, or None if it is gone."""
        state = self._read(known)
        if state is None:
            return None
        resource_id = state.pop("id", known.id)
        inputs = self._inputs(known.inputs, state)
        return contract.ReadResult(resource_id, inputs, self._merge(known.inputs, state))

    def change(self, request: contract.UpdateRequest) -> Properties:
        if request.preview:
            tags = {"tagsAll": request.inputs.get("tags", {})} if self.TAGGED else {}
            return request.old_outputs | request.inputs | tags
        known = Known(request.id, request.old_inputs, request.old_outputs)
        changes = {
            key
            for key in request.old_inputs.keys() | request.inputs.keys()
            if key in self.supported
            and not self.same(key, request.old_inputs.get(key), request.inputs.get(key))
        }
        if self.TAGGED and "tags" in changes:
            old = request.old_inputs.get("tags") or {}
            new = request.inputs.get("tags") or {}
            add = {k: v for k, v in new.items() if old.get(k) != v}
            self.retag(known, add, sorted(old.keys() - new.keys()))
        self.update(known, request.inputs, changes - {"tags"})
        after = Known(request.id, request.inputs, request.old_outputs)
        # What was half made, or changed, may have to become ready again.
        self.finish(after)
        return self._outputs(after)

    def remove(self, known: Known) -> None:
        with absent():
            self.delete(known)

    # Shared by the above.

    @property
    def supported(self) -> frozenset[str]:
        tags = {"tags"} if self.TAGGED else frozenset[str]()
        return self.REPLACE_ON | self.IN_PLACE | tags | {"region"}

    def same(self, key: str, one: Value, other: Value) -> bool:
        """Whether two values of the input `key` mean the same."""
        return comparison.same(one, other, json_text=key in self.JSON, ordered=key in self.ORDERED)

    def wait_gone(self, what: str, look: Callable[[], object], seconds: float) -> None:
        """Wait until `look` says that there is no such thing."""

        def gone() -> bool | None:
            with absent():
                look()
                return None
            return True

        self.aws.wait(what, gone, seconds)

    def _read(self, known: Known) -> Properties | None:
        state = None
        with absent():
            state = self.read(known)
        if state is not None and self.TAGGED:
            state["tagsAll"] = dict(state.get("tags") or {})
        return state

    def _outputs(self, known: Known) -> Properties:
        state = self._read(known)
        if state is None:
            raise CloudError(f"{known.id} has vanished", "AWS no longer knows it.")
        state.pop("id", None)
        return self._merge(known.inputs, state)

    def _merge(self, inputs: Properties, state: Properties) -> Properties:
        """State, but in the program's own words where both say the same."""
        kept = {
            key: value
            for key, value in inputs.items()
            if key not in state or self.same(key, value, state[key])
        }
        return {key: value for key, value in state.items() if value is not None} | kept

    def _inputs(self, old: Properties, state: Properties) -> Properties:
        if not old:
            return {
                key: value
                for key in sorted(self.supported)
                if (value := state.get(key, self.DEFAULTS.get(key))) not in EMPTY
            }
        inputs = {}
        for key, value in old.items():
            actual = state.get(key, value)
            if self.same(key, value, actual):
                inputs[key] = value
            elif actual is not None:
                inputs[key] = comparison.project(value, actual)
        if self.TAGGED and state.get("tags"):
            inputs["tags"] = state["tags"]
        return inputs

    def _name(self, inputs: Properties, request: contract.CheckRequest) -> None:
        """The former name if it was made up for this resource, else a new one."""
        if inputs.get(self.NAME) is not None:
            return
        former = request.olds.get(self.NAME)
        stem = self.stem(request.name)
        if isinstance(former, str) and re.fullmatch(re.escape(stem) + r"-[0-9a-f]{7}", former):
            inputs[self.NAME] = former
            return
        inputs[self.NAME] = f"{stem}-{hashlib.sha256(request.random_seed).hexdigest()[:7]}"

    def stem(self, name: str) -> str:
        """The logical name as the beginning of a physical one."""
        return name[: self.LONGEST_NAME - 8]


def _referenced(value: Value) -> Value:
    """A resource given where an id is wanted: its id, which for most is its name."""
    if isinstance(value, ResourceReference):
        return UNKNOWN if value.resource_id is None else value.resource_id
    return value
