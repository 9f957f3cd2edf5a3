"""An environment behind a company's proxy, from its first `up` to its `down`: what runs and what is built knows the proxy, a change
replaces the pods that read it and no others, and the command line itself works through one.

The proxies are real, and what the pods would have is tried on them.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from infra.contract import proxies
from infra.contract.naming import Names, branch_environment
from infra.isolation import POD_IDENTITY_AGENT
from tests.forward_proxy import ForwardProxy
from tests.promises.whole_kit import IMAGE, WholeKit, new_kit
from tests.unit.sandbox.aws.conftest import REGION, registry
from tests.unit.sandbox.aws.test_images import MANIFEST

__all__ = ["registry"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DEV = ("--env", "dev")
ON = ("--branch", "feature/x", "--base", "dev")
BRANCH = branch_environment("dev", "feature/x")
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
COMPONENTS = ("api-server", "dag-processor", "scheduler", "triggerer")
OF_AIRFLOW = {f"airflow/{one}" for one in COMPONENTS}
ONLY_PROXIES = re.compile(r":Release \S+-airflow (values\.proxy|resourceNames)")
"""What may change with a proxy."""

LOOKS = f"""
import contextlib, os, sys, urllib.request
import boto3, httpx

# By a name that the proxy alone knows.
print(boto3.client("sts", region_name={REGION!r}, endpoint_url="http://sts.example.org").get_caller_identity()["Account"])
for url in sys.argv[1:]:
    for ask in (httpx.get, urllib.request.urlopen):
        with contextlib.suppress(Exception):
            ask(url, timeout=0.3)
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[WholeKit]:
    with new_kit(tmp_path_factory.mktemp("proxies") / "kit", registry) as made:
        yield made


@pytest.fixture(scope="module")
def proxy(kit: WholeKit) -> Iterator[ForwardProxy]:
    with ForwardProxy(kit.emulator.url) as running:
        yield running


@pytest.fixture(scope="module")
def other(kit: WholeKit) -> Iterator[ForwardProxy]:
    with ForwardProxy(kit.emulator.url) as running:
        yield running


def told(kit: WholeKit, namespace: str = "airflow") -> dict[str, str]:
    """What every container that runs Airflow has, each by the ConfigMap that it reads."""
    config = kit.api.get(f"/api/v1/namespaces/{namespace}/configmaps/airflow-config")["data"]
    found = {key: text for key, text in config.items() if key.upper() in VARIABLES}
    assert {key: text for key, text in found.items() if key.isupper()} == {
        key.upper(): text for key, text in found.items() if key.islower()
    }
    return {key: text for key, text in found.items() if key.isupper()}


def readers(kit: WholeKit) -> set[str]:
    """The repositories of the images whose containers read that, all of them; no other container has such a variable."""
    found: dict[str, set[bool]] = {}
    for one in kit.containers():
        own = [each["name"] for each in one.get("env", ()) if each["name"].upper() in VARIABLES]
        assert own == [], one["name"]
        names = [
            each["configMapRef"]["name"]
            for each in one.get("envFrom", ())
            if "configMapRef" in each
        ]
        repository = one["image"].partition("@")[0].rpartition("/")[2]
        found.setdefault(repository, set()).add("airflow-config" in names)
    return {repository for repository, reads in found.items() if True in reads}


def build_arguments(kit: WholeKit, stack: str = "dev") -> list[dict[str, str]]:
    made = [one for one in kit.resources(stack) if one["type"] == IMAGE]
    assert made
    return [
        {
            key: text
            for key, text in (one["inputs"].get("buildArgs") or {}).items()
            if key in VARIABLES
        }
        for one in made
    ]


def nowhere_in_the_images(kit: WholeKit, url: str) -> None:
    for one in kit.client("ecr").describe_repositories()["repositories"]:
        for digest, _ in kit.images(one["repositoryName"]):
            there = f"{kit.registry}/v2/{one['repositoryName']}"
            manifest = fetch(f"{there}/manifests/{digest}")
            config = fetch(f"{there}/blobs/{manifest['config']['digest']}")
            assert url not in json.dumps([manifest, config])


def fetch(url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": MANIFEST})) as found:
        return json.load(found)


def asked(kit: WholeKit, proxy: ForwardProxy, environment: dict[str, str], *urls: str) -> set[str]:
    """For which hosts a process with a pod's environment asks the proxy."""
    proxy.asked.clear()
    key = kit.emulator.root
    done = subprocess.run(
        [sys.executable, "-c", LOOKS, *urls],
        env={
            "PATH": os.defpath,
            **environment,
            **{name.lower(): text for name, text in environment.items()},
            "AWS_ACCESS_KEY_ID": key["id"],
            "AWS_SECRET_ACCESS_KEY": key["secret"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The answer is the emulator's.
    assert done.stdout == "000000000000\n"
    return {one.partition(":")[0] for one in proxy.asked}


def semantics(kit: WholeKit, proxy: ForwardProxy) -> None:
    """What the deployed environment does: the cluster, the network, the node and the endpoints are reached without the proxy."""
    near = [
        "http://airflow-api-server.airflow.svc:8080/execution/",
        "http://169.254.170.23/v1/credentials",
        "http://169.254.169.254/latest/meta-data/",
        f"http://s3.{REGION}.amazonaws.com/bucket/key",
        f"http://bucket.s3.{REGION}.amazonaws.com/key",
        f"http://api.ecr.{REGION}.amazonaws.com/",
        "http://git.internal.example/",
    ]
    far = [
        f"http://sqs.{REGION}.amazonaws.com/",
        "http://api.example.org/",
        "https://pypi.example.org/",
    ]
    found = asked(kit, proxy, told(kit), *near, *far)
    hosts = {
        "sts.example.org",
        f"sqs.{REGION}.amazonaws.com",
        "api.example.org",
        "pypi.example.org",
    }
    assert found == hosts
    # What Python does not know of it, others do.
    left_out = {*told(kit)["NO_PROXY"].split(",")}
    assert {"10.20.0.0/16", "10.100.0.0/16", *proxies.NODE_ADDRESSES} <= left_out


def airflow(kit: WholeKit) -> str:
    """The repository of its image."""
    found = kit.client("ecr").describe_repositories()["repositories"]
    (own,) = (one["repositoryName"] for one in found if "-airflow-" in one["repositoryName"])
    return str(own)


def branch(kit: WholeKit, proxy: ForwardProxy, other: ForwardProxy) -> None:
    """On a base with proxies: it takes them, and they are its own then."""
    kit.up(*ON)
    space = Names(BRANCH, shared=True).namespace
    taken = told(kit, space)
    assert (taken["HTTP_PROXY"], taken["HTTPS_PROXY"]) == (proxy.url, other.url)
    # The base's network is not its own to know.
    assert ".internal.example" in taken["NO_PROXY"].split(",")
    assert "10.20.0.0/16" not in taken["NO_PROXY"].split(",")
    assert build_arguments(kit, BRANCH) == [taken | {"NO_PROXY": ".internal.example,10.99.0.0/16"}]
    assert ways(kit, space) == {(port(one.url), "127.0.0.1/32") for one in (proxy, other)}
    before, base = kit.snapshot(BRANCH), kit.snapshot()
    kit.configure(*ON, httpsProxy=proxy.url)
    kit.up(*ON)
    assert told(kit, space)["HTTPS_PROXY"] == proxy.url
    assert ways(kit, space) == {(port(proxy.url), "127.0.0.1/32")}
    after = kit.snapshot(BRANCH)
    assert before.replaced(after) == {f"{space}/{one}" for one in COMPONENTS}
    assert base.changed(kit.snapshot()) == set()
    # Without any, though its base has them.
    kit.configure(*ON, httpsProxy="", httpProxy="", noProxy="[]")
    kit.up(*ON)
    assert told(kit, space) == {}
    assert ways(kit, space) == set()


def port(url: str) -> int:
    return int(url.rpartition(":")[2])


def ways(kit: WholeKit, space: str) -> set[tuple[int, str]]:
    """To which single addresses its pods are let, with the port, beside EKS's agent."""
    policy = kit.api.get(f"/apis/networking.k8s.io/v1/namespaces/{space}/networkpolicies/fences")
    return {
        (rule["ports"][0]["port"], peer["ipBlock"]["cidr"])
        for rule in policy["spec"]["egress"]
        for peer in rule.get("to", ())
        if "ipBlock" in peer and peer["ipBlock"]["cidr"] != POD_IDENTITY_AGENT
    }


WITH_PASSWORD = "http://us:s3cret@proxy.example.com:3128"
WRONG = {
    WITH_PASSWORD: "must have no user and no password",
    "socks5://proxy.example.com:1080": "must be http://HOST:PORT",
    "proxy.example.com:3128": "must be http://HOST:PORT",
}


def test_an_address_with_a_password_or_of_another_form_is_refused(kit: WholeKit) -> None:
    for value, words in WRONG.items():
        said = kit.refused(words, "config", "set", "httpsProxy", value, *DEV)
        assert "s3cret" not in said
    # And where somebody has written it by another way.
    kit.write(httpsProxy=WITH_PASSWORD, rancherEnabled="false")
    said = kit.refused(WRONG[WITH_PASSWORD], "up", *DEV, "--yes")
    assert "s3cret" not in said
    kit.write(httpsProxy="", noProxy='[".example.com"]')
    kit.refused("neither is set", "preview", *DEV)


def test_proxies_come_change_and_go(
    kit: WholeKit, proxy: ForwardProxy, other: ForwardProxy
) -> None:
    kit.configure(
        *DEV,
        rancherEnabled="false",
        monitoring="metrics",
        vpcEndpoints='["s3", "ecr"]',
        httpProxy=proxy.url,
        httpsProxy=proxy.url,
        noProxy='[".internal.example"]',
    )
    # The machine's own way is its own affair, and may be the same: without exceptions Python asks even this machine by it.
    machine = {"HTTP_PROXY": proxy.url, "NO_PROXY": ""}
    kit.up(*DEV, **machine)
    assert "127.0.0.1" in proxy.asked
    assert readers(kit) == {airflow(kit)}
    assert told(kit) | {"NO_PROXY": ""} == {
        "HTTP_PROXY": proxy.url,
        "HTTPS_PROXY": proxy.url,
        "NO_PROXY": "",
    }
    nowhere_in_the_images(kit, proxy.url)
    built = build_arguments(kit)
    assert built == [told(kit) | {"NO_PROXY": ".internal.example"}] * 4
    semantics(kit, proxy)
    first = kit.snapshot()
    assert not kit.up(*DEV, **machine)["changed"]

    # What a pod reads and changes replaces it, and no other.
    kit.configure(*DEV, httpsProxy=other.url, noProxy='[".internal.example", "10.99.0.0/16"]')
    kit.up(*DEV)
    second = kit.snapshot()
    assert first.replaced(second) == OF_AIRFLOW
    assert {one for one in first.changed(second) if not ONLY_PROXIES.search(one)} == set()
    first = second
    assert told(kit)["HTTPS_PROXY"] == other.url
    assert "10.99.0.0/16" in told(kit)["NO_PROXY"].split(",")

    branch(kit, proxy, other)
    first = kit.snapshot()

    for key in ("httpProxy", "httpsProxy", "noProxy"):
        kit.done("config", "rm", key, *DEV)
    kit.up(*DEV)
    second = kit.snapshot()
    assert first.replaced(second) == OF_AIRFLOW
    assert told(kit) == {}
    # No image is another one for it.
    assert build_arguments(kit) == built
    named = {one["type"] for one in second.resources.values() if proxy.url in json.dumps(one)}
    assert named == {IMAGE}

    proxy.asked.clear()
    kit.done("down", *DEV, "--yes", "--with-branches", **machine)
    assert "127.0.0.1" in proxy.asked
    assert find(Search(kit.client, "dev")) == find(Search(kit.client, BRANCH)) == []
    assert kit.pods() == {}
