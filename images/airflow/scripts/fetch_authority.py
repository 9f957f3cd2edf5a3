"""Fetches the certificate of an authority from a ConfigMap of another namespace, before the container that needs it starts.

`fetch_authority.py NAMESPACE NAME FILE`. Without it, after a minute, the public authorities are put there: the container
must start, and will trust nobody whom it should not.
"""

import json
import os
import shutil
import ssl
import sys
import time
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PATIENCE = 60.0


def certificate(api: str, namespace: str, name: str, account: Path) -> str:
    """What the ConfigMap has; an OSError or a KeyError if there is none yet."""
    request = urllib.request.Request(
        f"{api}/api/v1/namespaces/{namespace}/configmaps/{name}",
        headers={"Authorization": f"Bearer {(account / 'token').read_text()}"},
    )
    trust = ssl.create_default_context(cafile=str(account / "ca.crt"))
    with urllib.request.urlopen(request, context=trust, timeout=10) as answer:
        return str(json.load(answer)["data"]["ca.crt"])


def fetch(
    api: str,
    namespace: str,
    name: str,
    target: Path,
    account: Path = ACCOUNT,
    patience: float = PATIENCE,
) -> bool:
    """Whether `target` has that certificate now; if not, it has the public ones."""
    give_up = time.monotonic() + patience
    while True:
        try:
            target.write_text(certificate(api, namespace, name, account))
            return True
        except (OSError, KeyError) as error:
            if time.monotonic() > give_up:
                sys.stderr.write(f"{namespace}/{name} cannot be read: {error}\n")
                break
        time.sleep(min(2.0, patience))
    shutil.copyfile(os.environ["SSL_CERT_FILE"], target)
    return False


def main() -> None:
    """The arguments, and the API server that every pod knows."""
    namespace, name, target = sys.argv[1:]
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    fetch(f"https://{host}:{port}", namespace, name, Path(target))


if __name__ == "__main__":
    main()
