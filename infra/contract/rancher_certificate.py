"""The certificate that is given for the Rancher server: whether it will do, and how it gets into Rancher's cluster.

User data carries this file, and the server runs it each hour (Python 3.9): a renewed certificate needs no new server. The
key is in no file and no command line. The command line of the kit asks `seconds_left`, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

SETTINGS = os.environ.get("AERODROME_SETTINGS", "/etc/aerodrome/rancher-certificate.json")
LATER, NEVER = 1, 3


def seconds_left(host: str, given: dict[str, Any]) -> float:
    """Until it expires. ssl.SSLError with what a client would refuse."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ends = [opened(given[part]) for part in ("certificate", "key")]
    try:
        # A passphrase is never asked for.
        server.load_cert_chain(f"/dev/fd/{ends[0]}", f"/dev/fd/{ends[1]}", "-")
    finally:
        for end in ends:
            os.close(end)
    client = ssl.create_default_context(cadata=given.get("authority") or None)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(there, back, server_hostname=host)
    for side in (asking, server.wrap_bio(back, there, server_side=True)) * 3:
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    shown = asking.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time()


def opened(text: str) -> int:
    """Where OpenSSL can read it, which takes files only: one in memory, without a name."""
    end = os.memfd_create("pem")
    os.write(end, text.encode())
    return end


def run(*command: str, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command[:5])}: {done.stderr.strip()[-300:]}")
    return done.stdout


def secret(name: str, kind: str, **data: str) -> dict[str, Any]:
    coded = {key.replace("_", "."): b64encode(text.encode()).decode() for key, text in data.items()}
    where = {"name": name, "namespace": "cattle-system"}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": where, "data": coded}


def hand_in(told: dict[str, Any], given: dict[str, Any]) -> None:
    """Into the cluster, with Rancher's chart, which restarts Rancher when the authority is another one."""
    authority = given.get("authority") or ""
    mark = hashlib.sha256(authority.encode()).hexdigest()
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cattle-system"}}
    pair = {"tls_crt": given["certificate"], "tls_key": given["key"]}
    items = [space, secret("tls-rancher-ingress", "kubernetes.io/tls", **pair)]
    chart, values = told["chart"], dict(told["values"])
    if authority:
        items.append(secret("tls-ca", "Opaque", cacerts_pem=authority))
        values.update(privateCA=True, extraEnv=[{"name": "AERODROME_AUTHORITY", "value": mark}])
    chart["spec"]["valuesContent"] = json.dumps(values)
    wanted = {"apiVersion": "v1", "kind": "List", "items": [*items, chart]}
    kubectl = ("k3s", "kubectl")
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    run(*kubectl, *apply, given=json.dumps(wanted))
    former = Path(told["folder"]) / "authority"
    if former.exists() and former.read_text() != mark:
        setting = "settings.management.cattle.io/cacerts"
        if not authority:
            # Rancher does not forget the former one by itself.
            run(*kubectl, "patch", setting, "--type=merge", '-p={"value":""}')
        if run(*kubectl, "get", setting, "-o=jsonpath={.value}").split() != authority.split():
            raise OSError("Rancher does not show its new authority")
        run("python3", told["token"], "--now")
    former.write_text(mark)


def main() -> int:
    told = json.loads(Path(SETTINGS).read_text())
    Path(told["folder"]).mkdir(mode=0o700, parents=True, exist_ok=True)
    asked = ("aws", "--region", told["region"], "secretsmanager", "get-secret-value")
    shown = ("--query=SecretString", "--output=text")
    try:
        given = json.loads(run(*asked, "--secret-id", told["secret"], *shown))
        seconds_left(told["values"]["hostname"], given)
        hand_in(told, given)
    except (ssl.SSLError, ValueError, KeyError, TypeError, AttributeError) as error:
        return tell(f"the secret's certificate is not taken: {error!r}", NEVER)
    except OSError as error:
        return tell(f"not yet: {error}", LATER)
    return tell("Rancher has the secret's certificate", 0)


def tell(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
