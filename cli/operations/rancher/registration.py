"""The registration of a cluster in a Rancher: its record there, the agent's manifest in the cluster, and the wait.

Each step looks for what an earlier run has done, so that one that was interrupted goes on: the record is
found by its mark, the manifest is applied again, and the agent that works already is no reason to wait.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes import Kubernetes, Object
from cli.cloud.rancher import FORBIDDEN, TOKEN, UNAUTHORIZED, Item, Rancher, Unanswered
from cli.operations.rancher import agent as agents
from cli.operations.rancher.agent import Agent
from cli.operations.rancher.identity import Identity

MANAGER = "aerodrome-rancher"
"""The manager of the manifest's fields."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_GONE_ON = "The same command goes on from here."
_NOT_UNIQUE = "NotUnique"


@dataclass(frozen=True)
class Waits:
    """How long what may take."""

    agent: float = 600.0
    """For the agent: its image has to be fetched."""

    stuck: float = 90.0
    """For a reason that does not change."""

    manifest: float = 60.0
    """For Rancher to make a registration's address."""

    token: float = 300.0
    """For a server of the environment's own that starts for the first time to hand over its token."""

    pause: float = 2.0


@dataclass
class Registered:
    """What a registration has come to."""

    rancher: str
    name: str = ""
    identifier: str = ""
    created: bool = False
    """Whether Rancher's record was made now."""

    applied: int = 0
    """Objects of the manifest."""

    state: str = ""
    """Rancher's word for the cluster."""

    agent: Agent = field(default_factory=lambda: Agent(agents.ABSENT))

    def data(self) -> dict[str, Any]:
        return {
            "rancher": self.rancher,
            "cluster": {"id": self.identifier, "name": self.name, "state": self.state},
            "created": self.created,
            "applied": self.applied,
            "agent": self.agent.data(),
        }


def register(
    rancher: Rancher,
    kubernetes: Kubernetes,
    identity: Identity,
    *,
    name: str = "",
    waits: Waits = Waits(),
    report: Callable[[str], None] = lambda line: None,
    again: str = "",
) -> Registered:
    """Sees to it that a cluster is in a Rancher, and its agent at work. `again` is what repeats it."""
    done = Registered(rancher.url)
    try:
        item, done.created = _record(rancher, identity, name or identity.cluster, report)
        done.identifier, done.name = item["id"], str(item.get("name"))
        done.state = str(item.get("state") or "")
        found = agents.look(kubernetes)
        if connected(item) and found.state == agents.HEALTHY:
            report("its agent works already")
            done.agent = found
            return done
        if not item.get("eksConfig"):
            documents = _manifest(rancher, item["id"], waits, report)
            done.applied = _apply(kubernetes, documents, report)
        _wait(rancher, kubernetes, done, waits, report, again)
    except Unanswered as error:
        raise told(error, again) from error
    return done


def told(error: Unanswered, again: str = "") -> KitError:
    """What a failure of Rancher's means for who typed the command."""
    if error.status == UNAUTHORIZED:
        return UserError(
            "Rancher does not accept the token",
            f"{error.detail or 'It has expired, or was deleted.'}\n"
            f"Make another one in Rancher (Account & API Keys), and put it into {TOKEN}.",
        )
    if error.status == FORBIDDEN:
        return UserError(
            "Rancher forbids it to the token's user",
            f"{error.summary}: {error.detail}\nThe user needs the global permission to create clusters.",
        )
    detail = error.detail if error.command else f"{error.detail}\n{_GONE_ON}".strip()
    return KitError(error.summary, detail, error.command or again)


def connected(item: Item) -> bool:
    """Whether Rancher reaches the cluster's agent now."""
    states = {each.get("type"): each.get("status") for each in item.get("conditions") or ()}
    if "Connected" in states:
        return bool(states["Connected"] == "True")
    return item.get("state") == "active"


def _record(
    rancher: Rancher, identity: Identity, name: str, report: Callable[[str], None]
) -> tuple[Item, bool]:
    """Rancher's record of the cluster, and whether it is new."""
    if item := _found(rancher, identity, name):
        report(f"Rancher knows it: {item['id']}, called {item.get('name')}")
        return item, False
    try:
        item = rancher.create_cluster({"name": name, **identity.marks()})
    except Unanswered as error:
        # Another run was faster, or the answer got lost on its way: then it is there.
        if error.status in (UNAUTHORIZED, FORBIDDEN):
            raise
        if not (found := _found(rancher, identity, name)):
            raise _refused_name(error, name) from error
        return found, error.code != _NOT_UNIQUE
    report(f"Rancher has a record of it now: {item['id']}, called {name}")
    return item, True


def _refused_name(error: Unanswered, name: str) -> KitError:
    if error.status != 422:
        return error
    return UserError(f"Rancher does not take a cluster called {name!r}", error.detail)


def _found(rancher: Rancher, identity: Identity, name: str) -> Item | None:
    known = [item for item in rancher.clusters() if item.get("state") != "removing"]
    for item in known:
        if identity.owns(item):
            return item
    other = next((item for item in known if item.get("name") == name), None)
    if other is None:
        return None
    raise UserError(
        f"Rancher has another cluster called {name!r}",
        f"{other['id']} is not this one: it may be of another machine, or of a sandbox that is gone. "
        "Delete it in Rancher, or give this one another name there:",
        "./aerodrome rancher import --name NAME",
    )


def _manifest(
    rancher: Rancher, cluster: str, waits: Waits, report: Callable[[str], None]
) -> list[Object]:
    """What the agent consists of."""
    give_up, asked = time.monotonic() + waits.manifest, False
    while True:
        known = rancher.registrations(cluster)
        ready = next((one for one in known if one.get("token") and one.get("manifestUrl")), None)
        if ready:
            return _documents(rancher.manifest(ready), rancher.url, report)
        if not known and not asked:
            asked = True
            rancher.create_registration(cluster)
            continue
        if time.monotonic() >= give_up:
            raise KitError(
                "Rancher makes no registration for the cluster",
                "Its set-up is not finished: it does not know its own address yet (the setting server-url). "
                f"Log in at {rancher.url} once, and confirm it. {_GONE_ON}",
            )
        time.sleep(waits.pause)


def _documents(text: str, url: str, report: Callable[[str], None]) -> list[Object]:
    import yaml

    try:
        found = [each for each in yaml.safe_load_all(text) if each]
        agent = next(
            each
            for each in found
            if each["kind"] == "Deployment" and each["metadata"]["name"] == agents.NAME
        )
        server = agents.server_of(agent)
    except (yaml.YAMLError, StopIteration, TypeError, KeyError, AttributeError) as error:
        raise KitError(
            "Rancher's manifest has no agent in it",
            f"What {url} sends for a registration is not what Rancher sends: something in between answers?",
        ) from error
    host = urlsplit(server).hostname or ""
    if not host or host in _LOOPBACK:
        raise KitError(
            f"Rancher tells its agents that it is at {server or 'no address'}",
            "No pod reaches it there. Its address is the setting server-url (Global Settings), "
            f"such as {url}. {_GONE_ON}",
        )
    if host != urlsplit(url).hostname:
        report(f"its agents reach it at {server}: its setting server-url")
    # A namespace before what is in it; otherwise as Rancher has them.
    return sorted(found, key=lambda each: each["kind"] != "Namespace")


def _apply(kubernetes: Kubernetes, documents: list[Object], report: Callable[[str], None]) -> int:
    for document in documents:
        kubernetes.apply(document, MANAGER)
    report(f"the agent's manifest is applied: {len(documents)} objects")
    return len(documents)


def _wait(
    rancher: Rancher,
    kubernetes: Kubernetes,
    done: Registered,
    waits: Waits,
    report: Callable[[str], None],
    again: str,
) -> None:
    """Until the agent works and Rancher has it; KitError with the reason if that takes too long."""
    begun = time.monotonic()
    shown, since = "", begun
    for now in _moments(waits.pause):
        found, item = agents.look(kubernetes), rancher.cluster(done.identifier)
        done.agent = found
        if item is None:
            raise KitError(
                f"Rancher's record {done.identifier} of the cluster is gone",
                "Somebody deleted it meanwhile.",
                again,
            )
        done.state = str(item.get("state") or "")
        if connected(item) and found.state == agents.HEALTHY:
            report("its agent works, and Rancher reaches the cluster")
            return
        reason = found.reason or _waited_for(found, item)
        # A pod's own words change with each try; what is wrong does not.
        if (key := found.cause or reason) != shown:
            report(reason)
            shown, since = key, now
        if now - begun >= waits.agent or (found.cause and now - since >= waits.stuck):
            raise KitError(
                f"{done.name} is registered in Rancher, and its agent does not work",
                f"{reason}\n{_GONE_ON}",
                again,
            )


def _moments(pause: float) -> Iterator[float]:
    while True:
        yield time.monotonic()
        time.sleep(pause)


def _waited_for(found: Agent, item: Item) -> str:
    if found.state != agents.HEALTHY:
        return "its agent starts"
    said = str(item.get("transitioningMessage") or "")
    return f"Rancher waits for its agent{': ' + said if said else ''}"
