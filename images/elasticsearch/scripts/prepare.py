"""Make the configuration of an Elasticsearch before it starts: its users, its certificate, its settings.

The certificate authority is made once and stays on the volume. What proves the server to others, the authority's
certificate, goes into a ConfigMap for those who send; its key never leaves the volume.
"""

import json
import os
import secrets
import shutil
import ssl
import subprocess
import urllib.request
from pathlib import Path

from server_users import KEEPER, READER, WRITER, say, write_users

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DAYS = "3650"
DISTRIBUTION = Path(os.environ.get("ES_HOME", "/opt/elasticsearch"))


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def authority(folder: Path) -> Path:
    """The certificate of the authority; its key is beside it."""
    key, certificate = folder / "ca.key", folder / "ca.crt"
    if not certificate.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
        beside = folder / "ca.crt.new"
        openssl(
            *("req", "-x509", "-new", "-key", str(key), "-days", DAYS, "-out", str(beside)),
            *("-subj", "/CN=monitoring"),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
        )
        beside.replace(certificate)
    return certificate


def server_certificate(folder: Path, authority_certificate: Path, names: list[str]) -> None:
    """A new one for each start, for `names`, with its key."""
    key, request = folder / "http.key", folder / "http.csr"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "ec.key"))
    # Java reads keys in this form alone.
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", str(folder / "ec.key"), "-out", str(key))
    openssl("req", "-new", "-key", str(key), "-subj", f"/CN={names[0]}", "-out", str(request))
    extensions = folder / "http.ext"
    alternatives = ",".join(f"DNS:{name}" for name in names)
    extensions.write_text(f"subjectAltName={alternatives},IP:127.0.0.1\n")
    openssl(
        *("x509", "-req", "-in", str(request), "-days", DAYS, "-out", str(folder / "http.crt")),
        *(
            "-CA",
            str(authority_certificate),
            "-CAkey",
            str(authority_certificate.with_suffix(".key")),
        ),
        *("-set_serial", f"0x{secrets.token_hex(16)}", "-extfile", str(extensions)),
    )
    (folder / "ec.key").unlink()
    shutil.copyfile(authority_certificate, folder / "ca.crt")


def publish(certificate: str, namespace: str, name: str) -> None:
    """The authority's certificate into a ConfigMap that is there."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    request = urllib.request.Request(
        f"https://{host}:{port}/api/v1/namespaces/{namespace}/configmaps/{name}",
        method="PATCH",
        data=json.dumps({"data": {"ca.crt": certificate}}).encode(),
        headers={
            "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}",
            "Content-Type": "application/merge-patch+json",
        },
    )
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trust, timeout=30):
        pass


def main() -> None:
    """Where things are is in the environment: `charts/monitoring/templates/elasticsearch/_pod.tpl`."""
    told = os.environ
    folder, keeper = Path(told["ES_PATH_CONF"]), Path(told["KEEPER_FOLDER"])
    passwords = {
        name: (Path(told["PASSWORDS"]) / name).read_text().strip() for name in (WRITER, READER)
    }
    passwords[KEEPER] = secrets.token_urlsafe(32)
    secret = keeper / "password"
    secret.touch(mode=0o600)
    secret.write_text(passwords[KEEPER])
    for name in ("jvm.options", "log4j2.properties"):
        shutil.copyfile(DISTRIBUTION / "config" / name, folder / name)
    shutil.copyfile(Path(told["SETTINGS"]) / "elasticsearch.yml", folder / "elasticsearch.yml")
    write_users(folder, told["INDEX"], passwords, [])
    certificate = authority(Path(told["AUTHORITY"]))
    server_certificate(folder, certificate, told["SERVER_NAMES"].split())
    if told.get("PUBLISH_TO"):
        namespace, _, name = told["PUBLISH_TO"].partition("/")
        publish(certificate.read_text(), namespace, name)
    say("Elasticsearch is prepared")


if __name__ == "__main__":
    main()
