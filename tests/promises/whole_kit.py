"""Whole environments on AWS, from the command line to their pods, without AWS and without a node.

Real are the command line as a process in a copy of this checkout, the Pulumi CLI with its kubernetes plugin, the builds and
pushes of images, the registry, Kubernetes' API server, whom IAM users reach by `aws eks get-token`, and Kubernetes' own
controllers. The AWS APIs are the emulator's, with IAM enforced. What a node does is played: pods run at once, and those of
Jobs succeed. So that a build takes a second, each Containerfile of the copy ends with its base and one file. Public registries are places in the
one registry that there is; and because nobody can make an image with the digest of Grafana's, the copy pins one that the tests have made.
"""

import hashlib
import io
import json
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.contract import grafana
from infra.contract.naming import secrets_key_alias
from infra.contract.public_images import HELM, PublicImage, everything
from infra.contract.settings import SECRETS
from sandbox import pulumi, tools
from sandbox.errors import UserError
from sandbox.instance import ACCOUNT_ID, TOKEN_REVIEW_PATH
from sandbox.providers.docker_build.registry import ADDRESS_VARIABLE
from tests import api_server, own_certificates
from tests.forward_proxy import ForwardProxy
from tests.ports import free_port
from tests.repeating import Repeating
from tests.task_nodes.api import Api
from tests.unit.sandbox.aws.conftest import REGION, Emulator, new_emulator
from tests.unit.sandbox.aws.test_images import MANIFEST, send

ROOT = Path(__file__).resolve().parents[2]
ECR = f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com"
PUBLIC = "public"
"""Where in the registry public ones are."""

OWN = "COPY Containerfile /own\n"
COPIED = (
    "Pulumi.yaml",
    "pyproject.toml",
    "aerodrome",
    "charts",
    "cli",
    "grafana",
    "images",
    "infra",
)
COPIED += ("kibana", "requirements", "sandbox", "values")

IMAGE = "docker-build:index:Image"
SECRET = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi knows a value that is encrypted."""


class Nodes(Repeating):
    """What nodes do with pods, played."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api

    def round(self) -> None:
        for pod in self._api.items("/api/v1/pods"):
            if (
                pod["status"].get("phase") == "Pending"
                and "deletionTimestamp" not in pod["metadata"]
            ):
                self._start(pod["metadata"])

    def _start(self, named: Any) -> None:
        of_job = any(one["kind"] == "Job" for one in named.get("ownerReferences", ()))
        types = ("Initialized",) if of_job else ("Initialized", "Ready", "ContainersReady")
        status = {
            "phase": "Succeeded" if of_job else "Running",
            "conditions": [{"type": one, "status": "True"} for one in types],
        }
        path = f"/api/v1/namespaces/{named['namespace']}/pods/{named['name']}/status"
        try:
            self._api.patch(path, {"status": status})
        except RuntimeError as error:
            # Somebody was faster, and deleted it.
            assert "404" in str(error) or "409" in str(error)


@dataclass
class WholeKit:
    """A copy of the checkout, and the world that it deploys to."""

    folder: Path
    emulator: Emulator
    registry: str
    kubeconfig: str
    grafana: str
    """The digest of Grafana's image, as the copy pins it."""

    internet: ForwardProxy
    """The machine's way to registries by HTTPS: ECR, and public ones."""

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def address(self) -> str:
        return self.registry.removeprefix("http://")

    @cached_property
    def api(self) -> Api:
        return Api(self.kubeconfig)

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    @property
    def variables(self) -> dict[str, str]:
        left = ("PULUMI", "AWS", "AERODROME", "KUBE", "HTTP_", "HTTPS_", "NO_PROXY")
        kept = {key: text for key, text in os.environ.items() if not key.upper().startswith(left)}
        made = pulumi.environment(kept)
        return {
            **kept,
            **made,
            "PATH": f"{self.folder / 'bin'}:{made['PATH']}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'stacks'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": "correct horse",
            "AERODROME_STATE": str(self.folder / "state"),
            "AERODROME_CACHE": str(self.folder / "cache"),
            ADDRESS_VARIABLE: self.address,
            "CONTAINERS_REGISTRIES_CONF": str(self.registries(closed=False)),
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_ACCESS_KEY_ID": self.emulator.root["id"],
            "AWS_SECRET_ACCESS_KEY": self.emulator.root["secret"],
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "CRANE_REGISTRY": self.registry,
            "CRANE_PUBLIC": PUBLIC,
            "HTTPS_PROXY": self.internet.url,
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": str(self.folder / "authority.crt"),
        }

    def registries(self, *, closed: bool) -> Path:
        """Where a build finds images; `closed`: those of public registries nowhere."""
        file = self.folder / f"registries-{'closed' if closed else 'open'}.conf"
        public = sorted({one.registry for one in everything()})
        lines = [_registry(ECR, self.address, "insecure = true")]
        for host in public:
            there = f"{self.address}/{PUBLIC}/{host}"
            lines.append(_registry(host, there, "blocked = true" if closed else "insecure = true"))
        file.write_text("".join(lines))
        return file

    def run(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """`./aerodrome WORDS` in the copy, to its end."""
        return subprocess.run(
            [self.checkout / "aerodrome", *words],
            cwd=self.checkout,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *words: str, **variables: str) -> str:
        """What it prints; it must succeed."""
        done = self.run(*words, **variables)
        assert done.returncode == 0, f"{words}\n{done.stderr[-6000:]}\n{done.stdout[-2000:]}"
        return done.stdout

    def up(self, *which: str, **variables: str) -> Any:
        """`up` without its proof, for which there is no Airflow here: what it says as JSON."""
        return json.loads(self.done("up", *which, "--yes", "--no-proof", "--json", **variables))

    def refused(self, said: str, *words: str) -> str:
        """The command is refused in these words, and changes nothing in cloud, cluster and state."""
        before = self.seen()
        result = self.run(*words)
        assert result.returncode == 2, f"{result.stderr}\n{result.stdout}"
        assert said in result.stderr
        assert "Traceback" not in result.stderr
        assert self.seen() == before
        return result.stderr

    def configure(self, *which: str, **settings: str) -> None:
        for key, value in settings.items():
            self.done("config", "set", key, value, *which)

    def write(self, **settings: str) -> None:
        """As an editor, or Pulumi's own command, writes it: unchecked."""
        file = self.checkout / "Pulumi.dev.yaml"
        content = yaml.safe_load(file.read_text())
        content["config"] |= {f"aerodrome:{key}": text for key, text in settings.items()}
        file.write_text(yaml.safe_dump(content))

    def seen(self) -> Any:
        """All that tells whether a command has changed anything."""
        client = self.client
        repositories = client("ecr").describe_repositories()["repositories"]
        stacks = list(self.folder.glob("stacks/.pulumi/stacks/**/*.json"))
        return {
            "images": {
                one["repositoryName"]: self.images(one["repositoryName"]) for one in repositories
            },
            "roles": sorted(one["RoleName"] for one in client("iam").list_roles()["Roles"]),
            "vpcs": sorted(one["VpcId"] for one in client("ec2").describe_vpcs()["Vpcs"]),
            "buckets": [one["Name"] for one in client("s3").list_buckets()["Buckets"]],
            "clusters": client("eks").list_clusters()["clusters"],
            "stacks": {one.name: resources_of(one) for one in stacks},
            "pods": self.pods(),
        }

    def snapshot(self, stack: str = "dev") -> "Snapshot":
        """What is deployed, and what runs."""
        made = {one["urn"].partition("::")[2]: one for one in self.resources(stack)}
        return Snapshot(made, self.running())

    def images(self, repository: str) -> list[Any]:
        """The images of a repository of ECR: digest and tags."""
        found = self.client("ecr").describe_images(repositoryName=repository)["imageDetails"]
        return sorted((one["imageDigest"], sorted(one.get("imageTags", ()))) for one in found)

    def resources(self, stack: str = "dev") -> list[Any]:
        """Of the stack's state, as Pulumi keeps them."""
        return resources_of(self.folder / "stacks/.pulumi/stacks/aerodrome" / f"{stack}.json")

    def pods(self) -> dict[str, str]:
        """Those that run: the id of each, by namespace and name."""
        found = self.api.items("/api/v1/pods")
        return {
            f"{one['metadata']['namespace']}/{one['metadata']['name']}": one["metadata"]["uid"]
            for one in found
            if one["status"].get("phase") == "Running"
        }

    def running(self) -> dict[str, set[str]]:
        """The ids of the pods that run, by namespace and component."""
        made: dict[str, set[str]] = {}
        for one in self.api.items("/api/v1/pods"):
            metadata = one["metadata"]
            part = metadata["labels"].get("app.kubernetes.io/component", metadata["name"])
            if one["status"].get("phase") == "Running":
                made.setdefault(f"{metadata['namespace']}/{part}", set()).add(metadata["uid"])
        return made

    def templates(self) -> Iterator[Any]:
        """The pod of everything in the cluster that has, or makes, pods: pods of tasks too, which stand in a ConfigMap."""
        apps = ("deployments", "statefulsets", "daemonsets")
        for kind in apps:
            for one in self.api.items(f"/apis/apps/v1/{kind}"):
                yield one["spec"]["template"]["spec"]
        for one in self.api.items("/apis/batch/v1/jobs"):
            yield one["spec"]["template"]["spec"]
        for one in self.api.items("/apis/batch/v1/cronjobs"):
            yield one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        for one in self.api.items("/api/v1/pods"):
            yield one["spec"]
        for one in self.api.items("/api/v1/configmaps"):
            for text in (one.get("data") or {}).values():
                if "kind: Pod" in text:
                    yield yaml.safe_load(text)["spec"]

    def containers(self) -> Iterator[Any]:
        for pod in self.templates():
            yield from (*pod["containers"], *pod.get("initContainers", ()))

    def pulled(self) -> set[str]:
        """The image of every container that the cluster knows of."""
        return {one["image"] for one in self.containers()}

    def public(self) -> list[PublicImage]:
        """The list of what is public, with Grafana's digest as the copy has it."""
        return [replace(one, digest=self.grafana) if one.digest else one for one in everything()]


@dataclass(frozen=True)
class Snapshot:
    """What a stack has deployed, and the pods that run, at one time."""

    resources: Mapping[str, Any]
    """By URN, as Pulumi keeps them."""

    running: Mapping[str, set[str]]
    """The ids of pods by namespace and component."""

    def replaced(self, later: "Snapshot") -> set[str]:
        """Whose pods are others now."""
        both = {*self.running, *later.running}
        return {one for one in both if self.running.get(one) != later.running.get(one)}

    def changed(self, later: "Snapshot") -> set[str]:
        """Each input that is another one, as `TYPE NAME path.to.it`; what came, went or was replaced, with `!` before it."""
        found = set()
        for urn in {*self.resources, *later.resources}:
            one, other = self.resources.get(urn), later.resources.get(urn)
            name = urn.rpartition("$")[2].rpartition("::")
            label = f"{name[0].rpartition('::')[2] or name[0]} {name[2]}"
            # The id of an image is its digest.
            same = IMAGE in urn or (one or {}).get("id") == (other or {}).get("id")
            if not (one and other and same):
                found.add(f"!{label}")
            if one and other:
                found |= {
                    f"{label} {path}" for path in _differing(one.get("inputs"), other.get("inputs"))
                }
        return found


def _differing(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        if SECRET in one or SECRET in other:
            # Each run encrypts anew.
            return
        for key in {*one, *other}:
            yield from _differing(one.get(key), other.get(key), f"{path}.{key}".strip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for first, second in zip(one, other, strict=True):
            yield from _differing(first, second, path)
    elif one != other:
        yield path


def resources_of(file: Path) -> list[Any]:
    latest = json.loads(file.read_text())["checkpoint"].get("latest") or {}
    # The stack itself, and providers, are nothing that anybody has made.
    made = latest.get("resources") or ()
    return [one for one in made if not one["type"].startswith("pulumi:")]


def _registry(host: str, there: str, how: str) -> str:
    return f'[[registry]]\nprefix = "{host}"\nlocation = "{there}"\n{how}\n'


def push_image(registry: str, repository: str, tag: str, text: str) -> str:
    """An image with one file, on which another can be built: its digest."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        entry = tarfile.TarInfo("base")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    differs = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [differs]},
    }
    kinds = ("image.layer.v1.tar", "image.config.v1+json")
    blobs = []
    for kind, content in zip(kinds, (layer.getvalue(), json.dumps(config).encode()), strict=True):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        way = send(f"{registry}/v2/{repository}/blobs/uploads/", "POST")["Location"]
        send(f"{way}&digest={digest}", "PUT", content)
        media = f"application/vnd.oci.{kind}"
        blobs.append({"mediaType": media, "digest": digest, "size": len(content)})
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs[1],
        "layers": blobs[:1],
    }
    content = json.dumps(manifest).encode()
    send(f"{registry}/v2/{repository}/manifests/{tag}", "PUT", content, MANIFEST)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def new_kit(folder: Path, registry: str) -> Iterator[WholeKit]:
    """All of it at work for as long as the `with`; nothing is deployed."""
    for program in ("kube-controller-manager", "kubectl", "helm"):
        try:
            tools.tool(program)
            tools.karpenter()
        except UserError:
            pytest.skip("set-up has not been run for the tests")
    if os.geteuid() != 0 or not shutil.which("buildah"):
        pytest.skip("builds need root and buildah")
    for name in ("api-server", "aws", "bin", "cache", "home", "stacks", "state"):
        (folder / name).mkdir(parents=True)
    digest = _publish(registry)
    copy_checkout(folder / "checkout", digest)
    with ExitStack() as ends:
        port = free_port()
        kubeconfig = ends.enter_context(
            api_server.running(folder / "api-server", *_reviews(folder, port))
        )
        internet = ends.enter_context(_internet(folder, registry))
        # Its EKS clusters are this API server.
        emulator = new_emulator(
            folder / "aws",
            registry,
            port=port,
            cluster_endpoint=json.loads(kubeconfig)["clusters"][0]["cluster"]["server"],
            cluster_ca=folder / "api-server" / "apiserver.crt",
        )
        ends.callback(emulator.kubernetes.server.shutdown)
        ends.callback(emulator.kill)
        kit = WholeKit(folder, emulator, registry, kubeconfig, digest, internet)
        _programs(kit)
        ends.callback(_end, _controllers(kit))
        ends.enter_context(Nodes(kit.api))
        _prepare(kit)
        yield kit


@contextmanager
def _internet(folder: Path, registry: str) -> Iterator[ForwardProxy]:
    """Registries under their own names, with certificates of an authority of the tests."""
    authority = own_certificates.authority("internet")
    (folder / "authority.crt").write_text(authority.pem)
    with ExitStack() as ends:
        hosts = {}
        for host in (ECR, *sorted({one.registry for one in everything()})):
            own, file = own_certificates.server(host, authority), folder / f"{host}.pem"
            file.write_text(own.pem + own.key_pem())
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file)
            below = "" if host == ECR else f"/{PUBLIC}/{host}"
            front = ForwardProxy(f"{registry}{below}", certificate=context)
            hosts[host] = ends.enter_context(front).address
        yield ends.enter_context(ForwardProxy(hosts=hosts))


def _prepare(kit: WholeKit) -> None:
    """What bootstrap makes of a stack, in two runs of the Pulumi CLI; and the key for secrets of branches."""
    kms = kit.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=secrets_key_alias("dev"), TargetKeyId=key)
    words = [f"--plaintext=aws:region={REGION}", "--plaintext=aerodrome:environment=dev"]
    words += [f"--secret=aerodrome:{key}={make()}" for key, make in SECRETS.items()]
    for command in (
        ["stack", "init", "dev", "--secrets-provider", "passphrase"],
        ["config", "set-all", "--stack", "dev", *words],
    ):
        subprocess.run(
            ["pulumi", *command, "--non-interactive"],
            cwd=kit.checkout,
            env=kit.variables,
            check=True,
            capture_output=True,
        )


def _publish(registry: str) -> str:
    """What public registries have of the list: Grafana's digest."""
    digest = ""
    for image in everything():
        if image.pulled_by == HELM:
            _push_chart(registry, image)
            continue
        made = push_image(registry, f"{PUBLIC}/{image.place('')}", image.tag, image.name)
        digest = made if image.digest else digest
    return digest


def _push_chart(registry: str, chart: PublicImage) -> None:
    """As its owner does, with Helm."""
    helm = str(tools.tool("helm"))
    source = tools.karpenter() / chart.repository.rpartition("/")[2]
    place = f"oci://{registry.removeprefix('http://')}/{PUBLIC}/{chart.place('')}".rpartition("/")[
        0
    ]
    with tempfile.TemporaryDirectory() as folder:
        packed = f"{folder}/{source.name}-{chart.tag}.tgz"
        for words in (
            ["package", source, "--version", chart.tag, "--destination", folder],
            ["push", packed, place, "--plain-http"],
        ):
            done = subprocess.run([helm, *words], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


def copy_checkout(target: Path, digest: str) -> None:
    target.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            left = shutil.ignore_patterns("__pycache__", "*_cache")
            shutil.copytree(source, target / name, ignore=left)
        else:
            shutil.copy2(source, target / name)
    (target / ".venv").symlink_to((ROOT / ".venv").resolve())
    for file in (target / "images").glob("*/Containerfile"):
        head, found, _ = file.read_text().partition("FROM ${BASE_IMAGE}")
        assert found
        file.write_text(f"{head}{found}\n{OWN}")
    pinned = target / "infra/contract/grafana.py"
    text = pinned.read_text()
    assert grafana.IMAGE["digest"] in text
    pinned.write_text(text.replace(grafana.IMAGE["digest"], digest))
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=target, check=True)


def _reviews(folder: Path, port: int) -> list[str]:
    """By which the API server asks the emulator whose a token is, as EKS does."""
    file = folder / "token-webhook.json"
    where = {"server": f"http://127.0.0.1:{port}{TOKEN_REVIEW_PATH}"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": where}],
        "users": [{"name": "a", "user": {}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    file.write_text(json.dumps(config))
    flag = "--authentication-token-webhook"
    return [f"{flag}-config-file={file}", f"{flag}-version=v1"]


def _programs(kit: WholeKit) -> None:
    for name in ("kubectl", "helm"):
        (kit.folder / "bin" / name).symlink_to(tools.tool(name))
    crane = kit.folder / "bin" / "crane"
    fake = Path(__file__).with_name("fake_crane.py")
    crane.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n')
    crane.chmod(0o755)


def _controllers(kit: WholeKit) -> "subprocess.Popen[bytes]":
    """Kubernetes' own. No CronJob begins while a test looks."""
    file = kit.folder / "admin.kubeconfig"
    file.write_text(kit.kubeconfig)
    command = [str(tools.tool("kube-controller-manager")), f"--kubeconfig={file}"]
    command += ["--controllers=*,-cronjob-controller", "--leader-elect=false", "--secure-port=0"]
    command += ["--kube-api-qps=200", "--kube-api-burst=400", "--profiling=false"]
    with (kit.folder / "controllers.log").open("w") as log:
        return subprocess.Popen(command, env={"PATH": os.defpath}, stdout=log, stderr=log)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
