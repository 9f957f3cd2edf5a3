"""The saved objects into a Kibana: its import API, as somebody who may write there. Standard library only.

An object of the same id is replaced, so it may be done again after each `.ci/docs`.
"""

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kibana.errors import KibanaError

READY: Final = "available"
PAUSE: Final = 2.0


@dataclass(frozen=True)
class Kibana:
    """A Kibana, or one of its spaces (`URL/s/SPACE`), as one of its users."""

    url: str
    user: str
    password: str
    authority: Path | None = None
    """The certificate of who signed Kibana's; the machine's authorities otherwise."""

    def wait(self, seconds: float) -> None:
        """Until it is ready. KibanaError if it is not by then, or lets the user not in."""
        until = time.monotonic() + seconds
        while True:
            try:
                level = self._ask("GET", "/api/status")["status"]["overall"]["level"]
                said = f"it is {level}"
            except (KeyError, TypeError):
                raise KibanaError(
                    f"{self.url} is no Kibana 8: it does not say its status"
                ) from None
            except urllib.error.HTTPError as error:
                # Kibana's answer while it starts.
                if error.code != 503:
                    raise self._error(error) from error
                said, level = "it starts", ""
            except OSError as error:
                said, level = str(getattr(error, "reason", error)), ""
            if level == READY:
                return
            if time.monotonic() >= until:
                raise KibanaError(f"Kibana at {self.url} is not ready: {said}")
            time.sleep(PAUSE)

    def load(self, objects: str) -> int:
        """How many it took: all. KibanaError otherwise, with what it says of each."""
        try:
            answer = self._ask("POST", "/api/saved_objects/_import?overwrite=true", objects)
        except urllib.error.HTTPError as error:
            raise self._error(error) from error
        except OSError as error:
            raise KibanaError(f"Kibana at {self.url} does not answer: {error}") from error
        if not answer.get("success"):
            lines = [
                f"{one.get('type')} {one.get('id')}: {_reason(one.get('error', {}))}"
                for one in answer.get("errors", ())
            ]
            raise KibanaError("\n".join(["Kibana refuses objects, and took the others:", *lines]))
        return int(answer["successCount"])

    def _ask(self, method: str, path: str, objects: str | None = None) -> Any:
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        # Without this header Kibana takes no request that changes something.
        headers = {"Authorization": f"Basic {login}", "kbn-xsrf": "true"}
        body = None
        if objects is not None:
            boundary = uuid.uuid4().hex
            headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
            body = (
                f"--{boundary}\r\n"
                'Content-Disposition: form-data; name="file"; filename="airflow-logs.ndjson"\r\n'
                f"Content-Type: application/ndjson\r\n\r\n{objects}\r\n--{boundary}--\r\n"
            ).encode()
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}{path}", body, headers, method=method
        )
        trust = ssl.create_default_context(cafile=self.authority)
        with urllib.request.urlopen(request, timeout=60, context=trust) as answer:
            try:
                return json.load(answer)
            except ValueError:
                raise KibanaError(f"{self.url} is no Kibana: it answers no JSON") from None

    def _error(self, error: urllib.error.HTTPError) -> KibanaError:
        text = error.read().decode(errors="replace")
        try:
            said = str(json.loads(text)["message"])
        except (KeyError, TypeError, ValueError):
            said = text[:500]
        if error.code == 401:
            return KibanaError(f"Kibana at {self.url} refuses the login of {self.user}: {said}")
        if error.code == 403:
            return KibanaError(
                f"{self.user} may not import saved objects into Kibana at {self.url}: {said}"
            )
        if error.code == 404:
            return KibanaError(f"{self.url} is no Kibana, or has no such space: {said}")
        return KibanaError(f"Kibana at {self.url} answers {error.code}: {said}")


def _reason(error: Any) -> str:
    if error.get("type") == "missing_references":
        missing = ", ".join(f"{one['type']} {one['id']}" for one in error.get("references", ()))
        return f"missing references: {missing}"
    return " ".join(str(error[key]) for key in ("type", "message") if key in error) or "no reason"
