"""Rancher's API, played: what the command line and the server's first boot ask of it, in the documented shapes.

A Rancher server cannot be had here. This one keeps to the collections, resources and errors of its API of
version 3, to its login and to its manifest; a test says what it refuses, how slow it is, and whether an agent
has called. The manifest is applied to a real API server.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "token-abcde:notasecret0123456789"
REGISTRATION = "registrationsecret0123456789"
BOOTSTRAP = "bootstrap-password-of-the-server"
AGENT_IMAGE = "registry.invalid/rancher/rancher-agent:v2.15.1"

_CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    422: "InvalidFormat",
    429: "TooManyRequests",
    500: "ServerError",
    502: "ServerError",
    503: "ServerError",
}
_NAME = 63
ROLE_TEMPLATES = {
    **dict.fromkeys(("project-owner", "project-member", "read-only"), "project"),
    "cluster-owner": "cluster",
}
"""What each is for."""


class Refusal(Exception):
    """An error of Rancher's API."""

    def __init__(self, status: int, message: str, code: str = "", fieldname: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "baseType": "error",
            "type": "error",
            "status": str(status),
            "code": code or _CODES[status],
            "message": message,
            **({"fieldName": fieldname} if fieldname else {}),
        }


@dataclass
class PlayedRancher:
    """One server, and what a test makes of it."""

    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    credentials: set[str] = field(default_factory=set)
    registrations: list[dict[str, Any]] = field(default_factory=list)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    bindings: dict[str, dict[str, Any]] = field(default_factory=dict)
    principals: dict[str, str] = field(default_factory=dict)
    """Users and groups of its login: `user` or `group` by id."""

    users: dict[str, str] = field(default_factory=dict)
    """Its own users: the id by name."""

    made: int = 0
    """How many tokens it has made."""

    settings: dict[str, str] = field(default_factory=lambda: {"server-url": "", "cacerts": ""})
    broken: int = 0
    """The status with which everything is answered, if it is not 0."""

    refuses: list[tuple[str, int]] = field(default_factory=list)
    """The next requests that begin like this are answered with that status: `GET /v3/clusters`."""

    slow: float = 0.0
    """Seconds before each answer."""

    loses: int = 0
    """How many creations are done, and their answers lost."""

    page: int = 1000
    """How many are on a page of a collection."""

    agent_image: str = AGENT_IMAGE
    login: str = "/v1-public/login"
    asked: list[str] = field(default_factory=list)
    """Every request: method and path."""

    def __post_init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def variables(self) -> dict[str, str]:
        return {"RANCHER_URL": self.url, "RANCHER_TOKEN": TOKEN}

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, identifier: str, cluster: str, credential: str) -> None:
        """A cluster that was imported from EKS."""
        self.credentials.add(credential)
        self.clusters[identifier] = {
            **self._cluster(identifier, {"name": f"imported-{identifier}"}),
            "state": "active",
            "eksConfig": {
                "displayName": cluster,
                "imported": True,
                "region": "us-east-1",
                "amazonCredentialSecret": credential,
            },
        }

    def connect(self, identifier: str = "") -> None:
        """The agent of a cluster calls."""
        for item in [self.clusters[identifier]] if identifier else self.clusters.values():
            item["state"], item["transitioning"], item["transitioningMessage"] = "active", "no", ""
            item["conditions"] = [{"type": "Connected", "status": "True"}]

    def answer(self, method: str, target: str, token: str, body: Any) -> tuple[int, Any]:
        """Status and body of an answer; Refusal if it is an error."""
        parts = urlsplit(target)
        self.asked.append(f"{method} {parts.path}")
        if self.broken:
            raise Refusal(self.broken, "the server is not ready")
        for number, (start, status) in enumerate(self.refuses):
            if f"{method} {parts.path}".startswith(start):
                del self.refuses[number]
                raise Refusal(status, "refused by the test")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if method == "POST" and parts.path == self.login:
            return 200, self._login(body)
        if parts.path.startswith("/v3/import/"):
            return 200, self._manifest(parts.path.removeprefix("/v3/import/"))
        if token != TOKEN and token not in self.tokens:
            raise Refusal(401, "must authenticate")
        kind, _, name = parts.path.removeprefix("/v3/").partition("/")
        if method == "DELETE" and kind == "tokens" and token.partition(":")[0] == name:
            raise Refusal(400, "Cannot delete token for current session. Use logout instead")
        answering = getattr(self, f"_{method.lower()}_{kind.lower()}", None)
        if answering is None:
            raise Refusal(404, "not found")
        found: tuple[int, Any] = answering(unquote(name), query, body)
        return found

    def _login(self, body: Any) -> dict[str, Any]:
        if body.get("username") != "admin" or body.get("password") != BOOTSTRAP:
            raise Refusal(401, "authentication failed")
        return self._post_tokens("", {}, body)[1]

    def _post_tokens(self, _: str, __: Any, body: Any) -> tuple[int, dict[str, Any]]:
        self.made += 1
        name = f"token-{self.made:05}"
        item = {
            "type": "token",
            "baseType": "token",
            "id": name,
            "name": name,
            "token": f"{name}:made{self.made:08}",
            "description": body.get("description", ""),
            "ttl": body.get("ttl", 0),
        }
        self.tokens[item["token"]] = item
        return 201, item

    def _get_tokens(self, _: str, query: Any, __: Any) -> tuple[int, Any]:
        # Their values are told once, when they are made.
        shown = [{k: v for k, v in one.items() if k != "token"} for one in self.tokens.values()]
        return 200, self._collection("token", shown, query)

    def _delete_tokens(self, name: str, *_: Any) -> tuple[int, Any]:
        found = next((key for key, one in self.tokens.items() if one["name"] == name), None)
        if found is None:
            raise Refusal(404, "not found")
        return 200, self.tokens.pop(found)

    def _get_settings(self, name: str, *_: Any) -> tuple[int, Any]:
        if name not in self.settings:
            raise Refusal(404, "not found")
        return 200, {"type": "setting", "id": name, "name": name, "value": self.settings[name]}

    def _put_settings(self, name: str, _: Any, body: Any) -> tuple[int, Any]:
        self.settings[name] = body["value"]
        return self._get_settings(name)

    def _get_clusters(self, name: str, query: Any, _: Any) -> tuple[int, Any]:
        if not name:
            return 200, self._collection("cluster", list(self.clusters.values()), query)
        if name not in self.clusters:
            raise Refusal(404, "not found")
        return 200, self.clusters[name]

    def _post_clusters(self, _: str, __: Any, body: Any) -> tuple[int, Any]:
        name = str(body.get("name") or "")
        if not name or len(name) > _NAME or not name.replace("-", "").isalnum():
            raise Refusal(422, f"invalid value {name}", fieldname="name")
        if any(item["name"] == name for item in self.clusters.values()):
            raise Refusal(422, "", "NotUnique", "Cluster name")
        identifier = f"c-m-{len(self.clusters):08}"
        self.clusters[identifier] = self._cluster(identifier, body)
        if self.loses:
            self.loses -= 1
            raise Refusal(502, "bad gateway")
        return 201, self.clusters[identifier]

    def _cluster(self, identifier: str, body: Any) -> dict[str, Any]:
        return {
            "type": "cluster",
            "baseType": "cluster",
            "id": identifier,
            "name": body["name"],
            "annotations": dict(body.get("annotations") or {}),
            "labels": dict(body.get("labels") or {}),
            "state": "pending",
            "transitioning": "yes",
            "transitioningMessage": "waiting for agent to check in",
            "conditions": [{"type": "Connected", "status": "False"}],
        }

    def _delete_clusters(self, name: str, *_: Any) -> tuple[int, Any]:
        if name not in self.clusters:
            raise Refusal(404, "not found")
        # What is in it goes with it.
        for one in [key for key, each in self.projects.items() if each["clusterId"] == name]:
            self._delete_projects(one)
        return 200, self.clusters.pop(name)

    def _get_principals(self, name: str, *_: Any) -> tuple[int, Any]:
        if name not in self.principals:
            raise Refusal(404, f"principal {name} not found")
        kind, provider = self.principals[name], name.partition("://")[0]
        return 200, {
            "type": "principal",
            "id": name,
            "principalType": kind,
            "provider": provider.removesuffix("_group").removesuffix("_user"),
        }

    def _get_users(self, _: str, query: Any, __: Any) -> tuple[int, Any]:
        wanted = query.get("username")
        found = [
            {
                "type": "user",
                "id": identifier,
                "username": name,
                "principalIds": [f"local://{identifier}"],
            }
            for name, identifier in self.users.items()
            if wanted in (None, name)
        ]
        return 200, self._collection("user", found, query)

    def _get_roletemplates(self, name: str, *_: Any) -> tuple[int, Any]:
        if name not in ROLE_TEMPLATES:
            raise Refusal(404, "not found")
        context = ROLE_TEMPLATES[name]
        return 200, {"type": "roleTemplate", "id": name, "context": context, "builtin": True}

    def _get_projects(self, _: str, query: Any, __: Any) -> tuple[int, Any]:
        wanted = query.get("clusterId")
        found = [one for one in self.projects.values() if wanted in (None, one["clusterId"])]
        return 200, self._collection("project", found, query)

    def _post_projects(self, _: str, __: Any, body: Any) -> tuple[int, Any]:
        cluster = str(body.get("clusterId") or "")
        if not body.get("name"):
            raise Refusal(422, "", "MissingRequired", "name")
        if cluster not in self.clusters:
            raise Refusal(422, "", "InvalidReference", "clusterId")
        self.made += 1
        identifier = f"{cluster}:p-{self.made:05}"
        self.projects[identifier] = {
            "type": "project",
            "baseType": "project",
            "id": identifier,
            "name": body["name"],
            "clusterId": cluster,
            "labels": dict(body.get("labels") or {}),
            "state": "active",
        }
        if self.loses:
            self.loses -= 1
            raise Refusal(502, "bad gateway")
        return 201, self.projects[identifier]

    def _delete_projects(self, name: str, *_: Any) -> tuple[int, Any]:
        if name not in self.projects:
            raise Refusal(404, "not found")
        for one in [key for key, each in self.bindings.items() if each["projectId"] == name]:
            del self.bindings[one]
        return 200, self.projects.pop(name)

    def _get_projectroletemplatebindings(self, _: str, query: Any, __: Any) -> tuple[int, Any]:
        wanted = query.get("projectId")
        found = [one for one in self.bindings.values() if wanted in (None, one["projectId"])]
        return 200, self._collection("projectRoleTemplateBinding", found, query)

    def _post_projectroletemplatebindings(self, _: str, __: Any, body: Any) -> tuple[int, Any]:
        project, role = body.get("projectId"), body.get("roleTemplateId")
        for given, known, name in (
            (project, self.projects, "projectId"),
            (role, ROLE_TEMPLATES, "roleTemplateId"),
        ):
            if not given:
                raise Refusal(422, "", "MissingRequired", name)
            if given not in known:
                raise Refusal(422, "", "InvalidReference", name)
        kinds = [kind for kind in ("userPrincipalId", "groupPrincipalId") if body.get(kind)]
        if len(kinds) != 1:
            raise Refusal(422, "binding must have one of a user and a group", "InvalidState")
        self.made += 1
        identifier = f"{str(project).partition(':')[2]}:prtb-{self.made:05}"
        self.bindings[identifier] = {
            "type": "projectRoleTemplateBinding",
            "baseType": "projectRoleTemplateBinding",
            "id": identifier,
            "projectId": project,
            "roleTemplateId": role,
            kinds[0]: body[kinds[0]],
            "labels": dict(body.get("labels") or {}),
        }
        return 201, self.bindings[identifier]

    def _delete_projectroletemplatebindings(self, name: str, *_: Any) -> tuple[int, Any]:
        if name not in self.bindings:
            raise Refusal(404, "not found")
        return 200, self.bindings.pop(name)

    def _delete_cloudcredentials(self, name: str, *_: Any) -> tuple[int, Any]:
        if name not in self.credentials:
            raise Refusal(404, "not found")
        self.credentials.remove(name)
        return 200, {}

    def _get_clusterregistrationtokens(self, _: str, query: Any, __: Any) -> tuple[int, Any]:
        wanted = query.get("clusterId")
        found = [one for one in self.registrations if wanted in (None, one["clusterId"])]
        answered = self._collection("clusterRegistrationToken", [dict(one) for one in found], query)
        for one in found:
            # Its controller fills these in, a moment after it was made; and not without an address.
            if address := self.settings["server-url"]:
                one["token"] = REGISTRATION
                name = f"{REGISTRATION}_{one['clusterId']}.yaml"
                one["manifestUrl"] = f"{address}/v3/import/{name}"
        return 200, answered

    def _post_clusterregistrationtokens(self, _: str, __: Any, body: Any) -> tuple[int, Any]:
        cluster = body.get("clusterId")
        if cluster not in self.clusters:
            raise Refusal(422, "no such cluster", "InvalidReference", "clusterId")
        item = {
            "type": "clusterRegistrationToken",
            "id": f"{cluster}:token-{len(self.registrations)}",
            "clusterId": cluster,
        }
        self.registrations.append(item)
        return 201, item

    def _collection(self, kind: str, items: list[Any], query: Any) -> dict[str, Any]:
        begin = int(query.get("marker", 0))
        more = {key: value for key, value in query.items() if key != "marker"}
        pagination: dict[str, Any] = {"limit": self.page, "total": len(items)}
        if begin + self.page < len(items):
            text = "&".join(f"{key}={value}" for key, value in more.items())
            # With the host name that Rancher believes in, which is not the one that was asked.
            pagination["next"] = (
                f"https://elsewhere.invalid/v3/{kind}s?{text}&marker={begin + self.page}"
            )
        return {
            "type": "collection",
            "resourceType": kind,
            "data": items[begin : begin + self.page],
            "pagination": pagination,
        }

    def _manifest(self, name: str) -> str:
        token, _, cluster = name.removesuffix(".yaml").partition("_")
        if token != REGISTRATION or cluster not in self.clusters:
            raise Refusal(404, "not found")
        return manifest(self.settings["server-url"], self.agent_image)


def _handler(played: PlayedRancher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length) if length else b""
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            time.sleep(played.slow)
            try:
                body = json.loads(content) if content else {}
                status, answer = played.answer(self.command, self.path, token, body)
            except Refusal as error:
                status, answer = error.status, error.body
            text = answer if isinstance(answer, str) else json.dumps(answer)
            self.send_response(status)
            self.send_header(
                "Content-Type", "text/plain" if isinstance(answer, str) else "application/json"
            )
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def playing(**how: Any) -> Iterator[PlayedRancher]:
    """A server that lives as long as the block."""
    played = PlayedRancher(**how)
    try:
        yield played
    finally:
        played.end()


_SPACE = {"namespace": "cattle-system"}
_ACCOUNT = "cattle"
_LABELS = {"app": "cattle-cluster-agent"}


def manifest(server: str, image: str) -> str:
    """The objects with which Rancher's agent comes into a cluster."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "cattle-cluster-agent", **_SPACE},
        "spec": {
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}],
            "selector": _LABELS,
        },
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cattle-credentials-0123456", **_SPACE},
        "type": "Opaque",
        "stringData": {"url": server, "token": REGISTRATION, "namespace": ""},
    }
    # Its namespace is not the first of them, as in Rancher's.
    objects = [*_rights(), secret, _deployment(server, image), service]
    return "---\n".join(yaml.safe_dump(item) for item in objects)


def _rights() -> list[dict[str, Any]]:
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    nodes = {"apiGroups": [""], "resources": ["nodes/metrics", "nodes/proxy"], "verbs": ["get"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cattle-admin"}
    account = {"kind": "ServiceAccount", "name": _ACCOUNT, **_SPACE}
    return [
        _rbac("ClusterRole", "proxy-clusterrole-kubeapiserver", rules=[nodes]),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cattle-system"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _ACCOUNT, **_SPACE}},
        _rbac("ClusterRoleBinding", "cattle-admin-binding", roleRef=role, subjects=[account]),
        _rbac(
            "ClusterRole",
            "cattle-admin",
            rules=[everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}],
        ),
    ]


def _deployment(server: str, image: str) -> dict[str, Any]:
    credentials = {"secretName": "cattle-credentials-0123456", "defaultMode": 320}
    container = {
        "name": "cluster-register",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "CATTLE_IS_RKE", "value": "false"},
            {"name": "CATTLE_SERVER", "value": server},
            {"name": "CATTLE_CLUSTER", "value": "true"},
        ],
        "volumeMounts": [
            {"name": "cattle-credentials", "mountPath": "/cattle-credentials", "readOnly": True}
        ],
    }
    pod = {
        "serviceAccountName": _ACCOUNT,
        "containers": [container],
        "volumes": [{"name": "cattle-credentials", "secret": credentials}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cattle-cluster-agent", **_SPACE},
        "spec": {
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }


def _rbac(kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        **rest,
    }
