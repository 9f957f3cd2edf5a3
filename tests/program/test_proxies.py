"""A company's proxy reaches whatever asks AWS or the internet, and nothing that is in the cluster is asked through it."""

import pytest

from infra.registrations import made_up_vpc
from tests.charts.rendering import render_exactly
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program
from tests.program.test_image_mirror import IMAGE, RELEASE

HTTP, HTTPS = "http://proxy.example.com:3128", "http://10.9.8.7:3129"
PROXIES = {"httpProxy": HTTP, "httpsProxy": HTTPS, "noProxy": '[".example.com"]'}
CONFIG = {"environment": "test", "rancherEnabled": "false", **PROXIES}


@pytest.fixture(scope="module")
def proxied() -> Program:
    return run_program({**CONFIG, "taskNodes": "true", "vpcEndpoints": '["s3", "ecr"]'}, SECRETS)


def environment(program: Program) -> dict[str, str]:
    release = program.one(RELEASE, "-airflow").inputs
    rendered = render_exactly(dict(release["values"]), "airflow", "airflow")
    return dict(rendered.find("ConfigMap", "airflow-config")["data"])


def test_all_pods_that_run_airflow_know_it(proxied: Program) -> None:
    found = environment(proxied)
    for name, value in (("HTTP_PROXY", HTTP), ("HTTPS_PROXY", HTTPS)):
        assert found[name] == found[name.lower()] == value
    assert found["NO_PROXY"] == found["no_proxy"]
    release = proxied.one(RELEASE, "-airflow").inputs
    rendered = render_exactly(dict(release["values"]), "airflow", "airflow")
    own = release["values"]["image"]
    image = f"{own['repository']}@{own['digest']}"
    read = 0
    for one in rendered.objects:
        template = one.get("spec", {}).get("jobTemplate", one).get("spec", {}).get("template", {})
        for container in template.get("spec", {}).get("containers", []):
            if container["image"] == image:
                names = [each["configMapRef"]["name"] for each in container["envFrom"]]
                assert names == ["airflow-config"], one["metadata"]["name"]
                read += 1
    # Components, the migration, the backup, the clean and the look for forgotten XComs.
    assert read >= 7


def test_the_cluster_and_the_network_are_always_left_out(proxied: Program) -> None:
    left_out = environment(proxied)["NO_PROXY"].split(",")
    assert {"localhost", "127.0.0.1", "169.254.169.254", "169.254.170.23"} <= {*left_out}
    assert {".svc", ".cluster.local", "10.100.0.0/16", "172.20.0.0/16"} <= {*left_out}
    assert {"10.20.0.0/16", ".example.com"} <= {*left_out}
    hosts = ("s3", "api.ecr", "dkr.ecr")
    assert {f"{one}.eu-north-1.amazonaws.com" for one in hosts} <= {*left_out}
    assert "sts.eu-north-1.amazonaws.com" not in left_out


def test_an_existing_vpcs_networks_are_left_out() -> None:
    existing = {
        "vpcId": "vpc-0123456789abcdef0",
        "privateSubnetIds": '["subnet-00000001", "subnet-00000002"]',
    }
    program = run_program({**CONFIG, **existing}, SECRETS)
    associated = made_up_vpc(existing["vpcId"])["cidrBlockAssociations"]
    networks = {one["cidrBlock"] for one in associated if one["state"] == "associated"}
    left_out = {*environment(program)["NO_PROXY"].split(",")}
    assert networks
    assert networks <= left_out
    assert "10.20.0.0/16" not in left_out - networks
    # Its endpoints are its owner's to name.
    assert "amazonaws.com" not in environment(program)["NO_PROXY"]


def test_karpenter_asks_aws_through_it(proxied: Program) -> None:
    controller = proxied.one(RELEASE, "-karpenter").inputs["values"]["controller"]
    found = {one["name"]: one["value"] for one in controller["env"]}
    assert (found["HTTP_PROXY"], found["HTTPS_PROXY"]) == (HTTP, HTTPS)
    assert found["NO_PROXY"] == environment(proxied)["NO_PROXY"]


def test_builds_have_it_in_arguments_that_leave_nothing(proxied: Program) -> None:
    plain = run_program({"environment": "test", "rancherEnabled": "false"}, SECRETS)
    for one in proxied.of_type(IMAGE):
        told = one.inputs["buildArgs"]
        assert told["HTTPS_PROXY"] == told["https_proxy"] == HTTPS
        assert told["HTTP_PROXY"] == told["http_proxy"] == HTTP
        # Whoever builds is not in the cluster.
        assert told["NO_PROXY"] == told["no_proxy"] == ".example.com"
        (before,) = (each for each in plain.of_type(IMAGE) if each.name == one.name)
        # It is no other image.
        assert one.inputs["tags"] == before.inputs["tags"]


def test_without_one_nothing_is_said_of_it(program: Program) -> None:
    assert not [key for key in environment(program) if key.upper().endswith("_PROXY")]
    for one in program.of_type(IMAGE):
        assert not [key for key in one.inputs.get("buildArgs") or {} if "PROXY" in key.upper()]


def test_a_branch_is_let_out_to_it(program: Program, shared: Program) -> None:
    def ports(run: Program) -> list[tuple[int, str]]:
        (policy,) = (
            one
            for one in run.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")
            if one.name.endswith("network")
        )
        return [
            (port["port"], (rule.get("to") or [{}])[0].get("ipBlock", {}).get("cidr", ""))
            for rule in policy.inputs["spec"]["egress"]
            for port in rule.get("ports", ())
        ]

    run = run_program({**BRANCH, **PROXIES}, BRANCH_SECRETS, {BASE: program})
    added = [one for one in ports(run) if one not in ports(shared)]
    assert added == [(3128, ""), (3129, "10.9.8.7/32")]
    assert environment(run)["HTTPS_PROXY"] == HTTPS
    assert "10.20.0.0/16" not in environment(run)["NO_PROXY"].split(",")
