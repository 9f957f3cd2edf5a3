"""The Secret of a revision that was cut off."""

import base64
import gzip
import json

from cli.stack.helm_releases import marked_as_failed


def test_a_revision_is_failed_in_its_label_and_in_its_content() -> None:
    release = {"name": "demo", "info": {"status": "pending-install"}, "manifest": "---"}
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    secret = {
        "metadata": {"name": "s", "labels": {"owner": "helm", "status": "pending-install"}},
        "data": {"release": base64.b64encode(packed).decode()},
        "type": "helm.sh/release.v1",
    }
    marked = marked_as_failed(secret)
    assert marked["metadata"]["labels"] == {"owner": "helm", "status": "failed"}
    assert marked["type"] == "helm.sh/release.v1"
    content = gzip.decompress(base64.b64decode(base64.b64decode(marked["data"]["release"])))
    assert json.loads(content) == {**release, "info": {"status": "failed"}}
