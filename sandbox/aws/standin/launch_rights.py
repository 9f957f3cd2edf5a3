"""What IAM is asked about a launch: each resource that it makes or uses, with the tags that this one gets.

MiniStack asks once for a call, about the first resource that it knows a parameter of, and puts the tags of all that
is made together. A policy that lets somebody launch into some subnets, with some tags, would then allow too much or
nothing. Here the calls that make, tag and take away instances and launch templates are asked about as EC2 does,
by the table of its actions; where that table leaves it open, each resource is asked about.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from sandbox.aws.standin import emulator, internals
from sandbox.aws.standin.call import Call
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

Parameters = Mapping[str, str]
LAUNCHES = {
    "CreateFleet": ("ec2:CreateFleet", "ec2:RunInstances"),
    "RunInstances": ("ec2:RunInstances",),
}
"""The actions that a launch takes. Who asks for a fleet starts instances, too."""

KINDS = {"i": "instance", "lt": "launch-template", "vol": "volume", "eni": "network-interface"}
"""By the first part of an id."""


@dataclass(frozen=True)
class Question:
    """One thing that IAM is asked."""

    action: str
    resource: str
    keys: Mapping[str, Any] = field(default_factory=dict)


def install() -> None:
    """Let MiniStack's own, first question be the first of ours."""
    internals.replace_query_resources("ec2", lambda asked: _first(asked).resource or None)
    internals.add_condition_keys("ec2", lambda asked: dict(_first(asked).keys))


def _first(asked: Parameters) -> Question:
    return next(questions(asked), Question("", ""))


def refusal(call: Call) -> Answer | None:
    """EC2's error, if IAM says no to one of the questions. Root is not asked."""
    if call.action not in QUESTIONS or emulator.is_root(call.headers):
        return None
    for one in questions(parameters(call)):
        refused = emulator.may(call.headers, one.action, one.resource, dict(one.keys))
        if refused:
            message = f"You are not authorized to perform this operation. {refused}"
            return emulator.ec2_error("UnauthorizedOperation", message, 403)
    return None


def parameters(call: Call) -> dict[str, str]:
    """Those of a call, from its URL and its form."""
    form = parse_qs(call.body.decode("utf-8", "replace"))
    return {key: values[0] for key, values in {**call.query, **form}.items()}


def questions(asked: Parameters) -> Iterator[Question]:
    """All that IAM is asked about a call; none for one that is left to MiniStack."""
    found = QUESTIONS.get(asked.get("Action", ""))
    if found:
        yield from found(asked)


def listed(asked: Parameters, name: str) -> list[str]:
    """The values of a list, like `InstanceId.1`, `InstanceId.2`."""
    found: list[str] = []
    while value := asked.get(f"{name}.{len(found) + 1}"):
        found.append(value)
    return found


def tags_by_kind(asked: Parameters) -> dict[str, dict[str, str]]:
    """The tags that a call gives, by the kind of resource that gets them."""
    found: dict[str, dict[str, str]] = {}
    number = 1
    while kind := asked.get(f"TagSpecification.{number}.ResourceType"):
        found.setdefault(kind, {}).update(_tags(asked, f"TagSpecification.{number}.Tag"))
        number += 1
    return found


def _tags(asked: Parameters, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    number = 1
    while key := asked.get(f"{prefix}.{number}.Key"):
        found[key] = asked.get(f"{prefix}.{number}.Value", "")
        number += 1
    return found


def template_of(name: str, key: str = "") -> dict[str, Any] | None:
    """A launch template, by its name or its id."""
    templates: dict[str, dict[str, Any]] = records("ec2").launch_templates
    if key:
        return templates.get(key)
    return next((one for one in templates.values() if one["LaunchTemplateName"] == name), None)


def newest(template: Mapping[str, Any]) -> dict[str, Any]:
    """What its newest version says, which is the one that launches name here."""
    data: dict[str, Any] = template["Versions"][-1]["LaunchTemplateData"]
    return data


def templates_of(asked: Parameters) -> list[dict[str, Any]]:
    """The launch templates that a launch names, as far as there are such."""
    prefixes = [
        f"LaunchTemplateConfigs.{number}.LaunchTemplateSpecification"
        for number in range(1, _count(asked, "LaunchTemplateConfigs") + 1)
    ]
    names = [
        (asked.get(f"{prefix}.LaunchTemplateName", ""), asked.get(f"{prefix}.LaunchTemplateId", ""))
        for prefix in (*prefixes, "LaunchTemplate")
    ]
    found = [template_of(*each) for each in names if any(each)]
    return [one for one in found if one is not None]


def _count(asked: Parameters, name: str) -> int:
    """How many members a list of structures has."""
    numbers = {key.split(".")[1] for key in asked if key.startswith(f"{name}.")}
    return len(numbers)


def _arn(kind: str, key: str = "*", account: str | None = None) -> str:
    owner = emulator.account() if account is None else account
    return f"arn:aws:ec2:{emulator.region()}:{owner}:{kind}/{key}"


def _keys(tags: Mapping[str, str], creates: str = "") -> dict[str, Any]:
    """The condition keys about tags that are asked for. As IAM's they are compared without regard to case."""
    found: dict[str, Any] = {f"aws:requesttag/{key}".lower(): value for key, value in tags.items()}
    if tags:
        found["aws:TagKeys"] = list(tags)
    if creates:
        found["ec2:CreateAction"] = creates
    return found


def _made(
    actions: tuple[str, ...], kind: str, tags: Mapping[str, str], by: str
) -> Iterator[Question]:
    """A resource that a call makes, and the tags that it puts on it."""
    for action in actions:
        yield Question(action, _arn(kind), _keys(tags))
    if tags:
        yield Question("ec2:CreateTags", _arn(kind), _keys(tags, by))


def _launch(asked: Parameters) -> Iterator[Question]:
    name = asked["Action"]
    actions, templates = LAUNCHES[name], templates_of(asked)
    tags = tags_by_kind(asked)
    for template in templates:
        for one in newest(template).get("TagSpecifications", []):
            own = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
            tags[one["ResourceType"]] = own | tags.get(one["ResourceType"], {})
    kinds = ["instance", "volume", "network-interface"]
    if name == "CreateFleet":
        kinds.insert(0, "fleet")
    if asked.get("TargetCapacitySpecification.DefaultTargetCapacityType") == "spot":
        kinds.append("spot-instances-request")
    for kind in kinds:
        yield from _made(actions, kind, tags.get(kind, {}), name)
    for resource in _used(asked, templates):
        for action in actions:
            yield Question(action, resource)
    for role in _roles(asked, templates):
        yield Question("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})


def _used(asked: Parameters, templates: list[dict[str, Any]]) -> list[str]:
    """What a launch takes that is there already."""
    images = {value for key, value in asked.items() if key.rpartition(".")[2] == "ImageId"}
    subnets = {value for key, value in asked.items() if key.rpartition(".")[2] == "SubnetId"}
    groups = {value for key, value in asked.items() if ".SecurityGroupId." in f".{key}"}
    for template in templates:
        data = newest(template)
        images |= {data["ImageId"]} if data.get("ImageId") else set()
        groups |= set(groups_of(data))
    return [
        *(_arn("launch-template", one["LaunchTemplateId"]) for one in templates),
        *(_arn("image", image, "") for image in sorted(images)),
        *(_arn("subnet", subnet) for subnet in sorted(subnets)),
        *(_arn("security-group", group) for group in sorted(groups)),
    ]


def groups_of(data: Mapping[str, Any]) -> list[str]:
    """The security groups of a launch template, which are those of its first interface if it has one."""
    interfaces = data.get("NetworkInterfaces") or [{}]
    found: list[str] = interfaces[0].get("Groups") or data.get("SecurityGroupIds") or []
    return found


def _roles(asked: Parameters, templates: list[dict[str, Any]]) -> Iterator[str]:
    """The roles that the instances get."""
    profiles = [newest(template).get("IamInstanceProfile", {}) for template in templates]
    members = ("Name", "Arn")
    profiles.append({key: asked.get(f"IamInstanceProfile.{key}", "") for key in members})
    iam = records("iam")
    for profile in profiles:
        for known in iam.instance_profiles.values():
            if (
                profile.get("Name") == known["InstanceProfileName"]
                or profile.get("Arn") == known["Arn"]
            ):
                for role in known["Roles"]:
                    yield str(iam.roles[role]["Arn"])


def _new_template(asked: Parameters) -> Iterator[Question]:
    tags = tags_by_kind(asked).get("launch-template", {})
    yield from _made(("ec2:CreateLaunchTemplate",), "launch-template", tags, "CreateLaunchTemplate")


def _old_template(asked: Parameters) -> Iterator[Question]:
    found = template_of(asked.get("LaunchTemplateName", ""), asked.get("LaunchTemplateId", ""))
    key = found["LaunchTemplateId"] if found else "*"
    yield Question("ec2:DeleteLaunchTemplate", _arn("launch-template", key))


def _termination(asked: Parameters) -> Iterator[Question]:
    for key in listed(asked, "InstanceId"):
        yield Question("ec2:TerminateInstances", _arn("instance", key))


def _tagging(asked: Parameters) -> Iterator[Question]:
    tags = _tags(asked, "Tag")
    for key in listed(asked, "ResourceId"):
        kind = KINDS.get(key.partition("-")[0])
        if kind is None:
            # Another kind: MiniStack asks about everything, and a policy that names resources refuses it.
            return
        yield Question("ec2:CreateTags", _arn(kind, key), _keys(tags))


QUESTIONS = {
    "CreateFleet": _launch,
    "CreateLaunchTemplate": _new_template,
    "CreateTags": _tagging,
    "DeleteLaunchTemplate": _old_template,
    "RunInstances": _launch,
    "TerminateInstances": _termination,
}
