"""The way to a Kubernetes API that has just been made: by an HTTP proxy, it may not be there yet.

pulumi-kubernetes asks the API once, when its provider starts, and takes one that does not answer for unreachable until the run
ends. So a proxy that says it waits (RFC 7240's preference) is asked first: the command line's does, until a worker leads to
the API. Without a proxy, and with one that does not know of waiting, nothing is asked.
"""

import asyncio
import base64
import json
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment
from urllib.request import proxy_bypass_environment as bypasses  # type: ignore[attr-defined]

import pulumi

from infra.contract import api_endpoints

_SPARE_SECONDS = 60
"""For a proxy that has waited to say so: only one that says nothing at all takes longer."""


def awaited(
    cluster: str, kubeconfig: pulumi.Output[str], after: pulumi.Resource
) -> pulumi.Output[str]:
    """The kubeconfig, in an update not before there is a way; `after` is made before that is asked."""
    if pulumi.runtime.is_dry_run():
        # Nothing is asked of a cluster for which the workers are yet to come. And what depends on workers that change would be
        # unknown here: as if the provider were to be replaced, with all that is in the cluster.
        return kubeconfig

    async def when_reached(values: list[str]) -> str:
        await _reach(cluster, values[0])
        return values[0]

    return pulumi.Output.all(kubeconfig, after.urn).apply(when_reached)


async def _reach(cluster: str, kubeconfig: str) -> None:
    """RunError with the proxy's reason if there is no way within the time."""
    if not getproxies_environment().get("https"):
        return
    server = urlsplit(json.loads(kubeconfig)["clusters"][0]["cluster"]["server"])
    host = f"{server.hostname}:{server.port or 443}"
    proxy = _proxy(host)
    if proxy is None:
        return
    lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}"]
    lines.append(f"Prefer: wait={api_endpoints.REGISTERS_SECONDS}")
    if proxy.username is not None:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
    request = "\r\n".join([*lines, "", ""]).encode()
    try:
        async with asyncio.timeout(api_endpoints.REGISTERS_SECONDS + _SPARE_SECONDS):
            reason = await _refusal(proxy, request)
    except (OSError, EOFError, asyncio.LimitOverrunError):
        # What is in the way of a proxy, the provider says in its words.
        return
    if reason is not None:
        raise pulumi.RunError(f"The Kubernetes API of {cluster} is not reached: {reason}")


async def _refusal(proxy: SplitResult, request: bytes) -> str | None:
    """Why a proxy that has waited does not connect; None if it does, or knows of no waiting."""
    reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port or 80)
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if head.split(" ")[1:2] == ["200"] or "preference-applied:" not in head.lower():
            return None
        return (await reader.read()).decode(errors="replace")
    finally:
        writer.close()


def _proxy(host: str) -> SplitResult | None:
    """The one that clients of Kubernetes take for a host, if they take one and it is spoken to without TLS."""
    proxies = getproxies_environment()
    named = proxies.get("https", "")
    if not named or bypasses(host, proxies):
        return None
    found = urlsplit(named if "://" in named else f"http://{named}")
    return found if found.scheme == "http" and found.hostname else None
