"""The `fake` provider: its cloud is the JSON file FAKE_CLOUD, which tests read.

`FAKE_FAULTS` is a JSON file {"OPERATION NAME": FAULT}; the name is the resource's, or *.
Faults: fail, partial (made, but not ready), die (before the effect), die-after, hang,
slow (0.3 s), garbage. Every call is appended to FAKE_LOG as a line of JSON.
"""

import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from sandbox.errors import CloudError, PartiallyCreated, Unsupported
from sandbox.providers import contract
from sandbox.providers.contract import Provider
from sandbox.providers.server import serve
from sandbox.wire.marshal import Keep, from_struct, to_struct
from sandbox.wire.protos import resource_pb2, resource_pb2_grpc
from sandbox.wire.values import UNKNOWN, ResourceReference, Secret, has_unknowns

CLOUD = Path(os.environ["FAKE_CLOUD"])
FAULTS = Path(os.environ["FAKE_FAULTS"])
LOG = Path(os.environ["FAKE_LOG"])

REPLACES = ("name", "immutable", "region")
DELETE_FIRST = "deleteFirst"


@contextmanager
def cloud() -> Iterator[dict[str, Any]]:
    with CLOUD.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        things = json.loads(CLOUD.read_text()) if CLOUD.exists() else {}
        yield things
        temporary = CLOUD.with_suffix(".new")
        temporary.write_text(json.dumps(things, indent=1))
        temporary.replace(CLOUD)


def log(operation: str, name: str, **details: Any) -> None:
    record = {"operation": operation, "name": name, **details}
    with LOG.open("a") as file:
        file.write(json.dumps(record, default=str) + "\n")


def fault(operation: str, name: str) -> str:
    faults = json.loads(FAULTS.read_text()) if FAULTS.exists() else {}
    found = faults.get(f"{operation} {name}") or faults.get(f"{operation} *") or ""
    match found:
        case "fail":
            raise CloudError(f"the cloud refuses to {operation} {name}", code="Refused")
        case "die":
            os._exit(9)
        case "hang":
            time.sleep(600)
        case "slow":
            time.sleep(0.3)
    return str(found)


class Fake(Provider):
    package = "fake"
    version = "1.2.3"

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}

    def configure(self, request: contract.ConfigureRequest) -> None:
        log("configure", request.urn.rpartition("::")[2], inputs=request.inputs)
        self.config = request.inputs

    def diff_config(self, request: contract.DiffRequest) -> contract.DiffResult:
        changed = contract.changed_keys(request.old_inputs, request.news)
        return contract.DiffResult(changed, [key for key in changed if key == "region"])

    def check(self, request: contract.CheckRequest) -> contract.CheckResult:
        log("check", request.name)
        if request.type != "fake:index:Thing":
            raise Unsupported(f"fake does not know the type {request.type}")
        if request.news.get("invalid"):
            failure = contract.CheckFailure("invalid", "must not be set")
            return contract.CheckResult(request.news, [failure])
        inputs = dict(request.news)
        if "name" not in inputs:
            suffix = hashlib.sha256(request.random_seed).hexdigest()[:7]
            inputs["name"] = request.olds.get("name") or f"{request.name}-{suffix}"
        return contract.CheckResult(inputs)

    def diff(self, request: contract.DiffRequest) -> contract.DiffResult:
        changed = contract.changed_keys(request.old_inputs, request.news)
        return contract.DiffResult(
            changed,
            [key for key in changed if key in REPLACES],
            bool(request.news.get(DELETE_FIRST)),
        )

    def create(self, request: contract.CreateRequest) -> contract.CreateResult:
        if request.preview:
            return contract.CreateResult("", self._outputs(request.inputs, ""))
        log("create", request.name, inputs=request.inputs)
        found = fault("create", request.name)
        with cloud() as things:
            identity = f"id-{request.inputs['name']}"
            for other, thing in things.items():
                if other == identity and thing["urn"] != request.urn:
                    raise CloudError(f"{identity} is taken", code="AlreadyExists")
                if other == identity and not getattr(request, "repeated", False):
                    raise CloudError(f"{identity} exists", code="AlreadyExists")
            things[identity] = {"urn": request.urn, "inputs": request.inputs}
        if found == "die-after":
            os._exit(9)
        outputs = self._outputs(request.inputs, identity)
        if found == "partial":
            raise PartiallyCreated(
                f"{request.name} is not ready",
                resource_id=identity,
                outputs=outputs,
                reasons=["it sulks"],
            )
        return contract.CreateResult(identity, outputs)

    def _outputs(self, inputs: dict[str, Any], identity: str) -> dict[str, Any]:
        computed = UNKNOWN if not identity else f"arn:{identity}"
        return {
            **inputs,
            "arn": computed,
            "generated": UNKNOWN if has_unknowns(inputs) else len(str(inputs)),
            "password": Secret(UNKNOWN if not identity else f"pw-{identity}"),
        }

    def read(self, request: contract.ReadRequest) -> contract.ReadResult | None:
        name = request.urn.rpartition("::")[2]
        log("read", name)
        fault("read", name)
        with cloud() as things:
            thing = things.get(request.id)
        if thing is None:
            return None
        outputs = self._outputs(thing["inputs"], request.id)
        return contract.ReadResult(request.id, thing["inputs"], outputs)

    def update(self, request: contract.UpdateRequest) -> dict[str, Any]:
        name = request.urn.rpartition("::")[2]
        if not request.preview:
            log("update", name, inputs=request.inputs)
            found = fault("update", name)
            with cloud() as things:
                things[request.id]["inputs"] = request.inputs
            if found == "die-after":
                os._exit(9)
            if found == "partial":
                raise PartiallyCreated(
                    f"{name} is not ready",
                    resource_id=request.id,
                    outputs=self._outputs(request.inputs, request.id),
                    reasons=["it sulks"],
                )
        return self._outputs(request.inputs, request.id)

    def delete(self, request: contract.DeleteRequest) -> None:
        name = request.urn.rpartition("::")[2]
        log("delete", name, id=request.id, region=self.config.get("region"))
        found = fault("delete", name)
        with cloud() as things:
            things.pop(request.id, None)
        if found == "die-after":
            os._exit(9)

    def invoke(self, request: contract.InvokeRequest) -> dict[str, Any]:
        log("invoke", request.token)
        fault("invoke", request.token)
        return {"value": request.arguments.get("value")}

    def construct(self, request: contract.ConstructRequest) -> contract.ConstructResult:
        log("construct", request.name, inputs=request.inputs)
        with grpc.insecure_channel(request.monitor_address) as channel:
            monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
            component = monitor.RegisterResource(
                resource_pb2.RegisterResourceRequest(
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    acceptSecrets=True,
                    acceptResources=True,
                )
            )
            urns = []
            ids: list[Any] = []
            for suffix in ("first", "second"):
                child = monitor.RegisterResource(
                    resource_pb2.RegisterResourceRequest(
                        type="fake:index:Thing",
                        name=f"{request.name}-{suffix}",
                        parent=component.urn,
                        custom=True,
                        object=to_struct(request.inputs, Keep(outputs=False)),
                        version="1.0.0",
                        provider=request.providers.get("fake", ""),
                        dependencies=urns,
                        acceptSecrets=True,
                        acceptResources=True,
                    )
                )
                urns.append(child.urn)
                ids.append(child.id or UNKNOWN)
            first = ResourceReference(urns[0], ids[0])
            state = {"first": first, "label": f"pair {request.name}"}
            monitor.RegisterResourceOutputs(
                resource_pb2.RegisterResourceOutputsRequest(
                    urn=component.urn, outputs=to_struct(state)
                )
            )
        return contract.ConstructResult(component.urn, state, {"first": [urns[0]]})

    def call(self, request: contract.CallRequest) -> dict[str, Any]:
        log("call", request.token)
        with grpc.insecure_channel(request.monitor_address) as channel:
            monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
            reference = request.arguments["__self__"]
            response = monitor.Invoke(
                resource_pb2.ResourceInvokeRequest(
                    tok="pulumi:pulumi:getResource",
                    args=to_struct({"urn": reference.urn}),
                    acceptResources=True,
                )
            )
            state = from_struct(getattr(response, "return"))["state"]
        return {"text": f"{request.arguments['greeting']}, {state['label']}"}


if __name__ == "__main__":
    serve(Fake(), sys.argv[1:])
