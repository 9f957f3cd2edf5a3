"""The command as a user runs it: a checkout of its own, an IAM user with the documented policy and no
more, the emulator's IAM enforced, and a Pulumi CLI that is a stand-in."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.operations.bootstrap.github import HOST
from infra.contract import settings
from infra.contract.naming import PIPELINE_PATH, secrets_key_alias, state_bucket
from tests.unit.sandbox.aws.conftest import Emulator, new_emulator

ROOT = Path(__file__).resolve().parents[2]
POLICY = json.loads((ROOT / "docs" / "bootstrap-policy.json").read_text())
PIPELINE_POLICY = json.loads((ROOT / "docs" / "bootstrap-pipeline-policy.json").read_text())
ACCOUNT = "000000000000"
PROGRAMS = {
    "aws": "aws-cli/2.15.0 Python/3.11",
    "docker": "27.3.1",
    "kubectl": "Client Version: v1.36.1",
    "helm": "v3.19.0+gabc",
}
SECRETS = tuple(settings.SECRETS)


@dataclass
class Account:
    """An AWS account and a machine with a checkout, before bootstrap."""

    emulator: Emulator
    checkout: Path
    folder: Path
    environment: str
    region: str
    key: dict[str, str]
    user: str
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        return state_bucket(ACCOUNT, self.region)

    @property
    def alias(self) -> str:
        return secrets_key_alias(self.environment)

    @property
    def config_file(self) -> Path:
        return self.checkout / f"Pulumi.{self.environment}.yaml"

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call of the Pulumi CLI."""
        log = self.folder / "pulumi.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def root(self, service: str) -> Any:
        """A client of the account's root: what tests look with."""
        return self._client(service, self.emulator.root)

    def own(self, service: str) -> Any:
        """A client of the user who bootstraps."""
        return self._client(service, self.key)

    def _client(self, service: str, key: dict[str, str]) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.emulator.url,
            region_name=self.region,
            aws_access_key_id=key["id"],
            aws_secret_access_key=key["secret"],
        )

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "AERODROME_STATE": str(self.folder / "state"),
            "AERODROME_CACHE": os.environ.get("AERODROME_CACHE", str(self.checkout / "cache")),
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_ACCESS_KEY_ID": self.key["id"],
            "AWS_SECRET_ACCESS_KEY": self.key["secret"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "FAKE_PULUMI_LOG": str(self.folder / "pulumi.log"),
            **self.variables,
            **more,
        }

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.checkout / "aerodrome"), "bootstrap", *arguments],
            env=self.environ(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`aerodrome bootstrap ARGUMENTS`, to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=280)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def bootstrap(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        words = (self.environment, "--region", self.region, "--yes", *arguments)
        return self.run(*words, **variables)

    def made(self) -> dict[str, list[str]]:
        """What a run of bootstrap, which must succeed, says that it made."""
        done = self.bootstrap("--json")
        assert done.returncode == 0, done.stderr
        made: dict[str, list[str]] = json.loads(done.stdout)["made"]
        return made

    def has_bucket(self) -> bool:
        return self.bucket in [each["Name"] for each in self.root("s3").list_buckets()["Buckets"]]

    def keys(self) -> list[str]:
        """States of the keys that were made for the environment."""
        kms = self.root("kms")
        tag = {"TagKey": "aerodrome:bootstrap", "TagValue": self.environment}
        return [
            str(kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyState"])
            for each in kms.list_keys()["Keys"]
            if tag in kms.list_resource_tags(KeyId=each["KeyId"])["Tags"]
        ]

    def put_stack(self, name: str, resources: int, environment: str = "") -> None:
        """A stack as Pulumi keeps it; its secrets belong to `environment`'s key."""
        alias = secrets_key_alias(environment or name)
        provider = {"type": "cloud", "state": {"url": f"awskms://{alias}?region={self.region}"}}
        latest = {"secrets_providers": provider, "resources": [{}] * resources}
        self.root("s3").put_object(
            Bucket=self.bucket,
            Key=f".pulumi/stacks/aerodrome/{name}.json",
            Body=json.dumps({"version": 3, "checkpoint": {"stack": name, "latest": latest}}),
        )

    def allow(self, policy: dict[str, Any], name: str = "inline") -> None:
        """Gives the user who bootstraps a policy."""
        self.root("iam").put_user_policy(
            UserName=self.user, PolicyName=name, PolicyDocument=json.dumps(policy)
        )

    def pipeline_roles(self) -> list[str]:
        """Names of the roles that bootstrap made."""
        listed = self.root("iam").list_roles(PathPrefix=PIPELINE_PATH)["Roles"]
        return [str(role["RoleName"]) for role in listed]

    def provider(self) -> str:
        """The ARN of GitHub's identity provider; empty if there is none."""
        listed = self.root("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
        return next((str(each["Arn"]) for each in listed if HOST in each["Arn"]), "")

    def limit(self, **account: Any) -> None:
        """Sets the emulator's quotas and instance types."""
        (self.emulator.settings.state / "account.json").write_text(json.dumps(account))

    def wipe(self) -> None:
        """As if nothing had ever been here."""
        s3, kms = self.root("s3"), self.root("kms")
        if self.has_bucket():
            answer = s3.list_object_versions(Bucket=self.bucket)
            for item in (*answer.get("Versions", []), *answer.get("DeleteMarkers", [])):
                s3.delete_object(Bucket=self.bucket, Key=item["Key"], VersionId=item["VersionId"])
            s3.delete_bucket(Bucket=self.bucket)
        for alias in kms.list_aliases()["Aliases"]:
            if alias["AliasName"] == self.alias:
                kms.delete_alias(AliasName=self.alias)
        for each in kms.list_keys()["Keys"]:
            tags = kms.list_resource_tags(KeyId=each["KeyId"])["Tags"]
            if any(tag["TagKey"] == "aerodrome:bootstrap" for tag in tags):
                kms.untag_resource(KeyId=each["KeyId"], TagKeys=["aerodrome:bootstrap"])
        self._wipe_pipeline()
        self.config_file.unlink(missing_ok=True)
        (self.folder / "pulumi.log").unlink(missing_ok=True)
        self.limit()

    def _wipe_pipeline(self) -> None:
        iam = self.root("iam")
        for name in self.pipeline_roles():
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                iam.delete_role_policy(RoleName=name, PolicyName=policy)
            iam.delete_role(RoleName=name)
        if self.provider():
            iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=self.provider())


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the command needs: it writes a file beside Pulumi.yaml."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("charts", "cli", "docs", "infra", "sandbox"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("aerodrome", "Pulumi.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
    return folder


NUMBERS = count(1)


@pytest.fixture
def account(emulator: Emulator, checkout: Path, tmp_path: Path) -> Iterator[Account]:
    """Without anything of an earlier test; the user has the documented policy."""
    number = next(NUMBERS)
    (tmp_path / "bin").mkdir()
    for name, words in PROGRAMS.items():
        program(tmp_path, name, f'echo "{words}"')
    script = Path(__file__).with_name("fake_pulumi.py")
    program(tmp_path, "pulumi", f'exec "{sys.executable}" -I -S "{script}" "$@"')
    user = f"bootstrapper-{number}"
    key = emulator.user(user, POLICY)
    ready = Account(emulator, checkout, tmp_path, f"dev{number}", "eu-north-1", key, user)
    yield ready
    ready.wipe()


@pytest.fixture
def team(account: Account) -> Account:
    """An account whose user may let a pipeline in, too."""
    account.allow(PIPELINE_POLICY, "pipeline")
    return account


def program(folder: Path, name: str, line: str) -> None:
    """An executable on the PATH of the account's machine."""
    file = folder / "bin" / name
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)
