"""The images that an environment's pods run, as its cluster knows them."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.base.errors import UserError
from cli.base.values import need
from cli.cloud.image_content import Reference
from cli.operations.live import Live
from infra.contract import metrics
from infra.contract.outputs import Outputs

_WORKLOADS = "deployments,statefulsets,jobs,cronjobs"


def images(live: Live, wanted: list[str]) -> dict[str, Reference]:
    """Those of its own registry by their names, `airflow` first; only the `wanted` ones, if any are named."""
    airflow = Reference.parse(need(live.outputs, Outputs.image_ref))
    names = {str(one["name"]): name for name, one in live.outputs.repositories.items()}
    found = {"airflow": airflow}
    for text in sorted(set(_texts(live))):
        host, _, rest = text.partition("/")
        if host == airflow.host and "@sha256:" in rest:
            one = Reference.parse(text)
            found.setdefault(names.get(one.repository, one.repository), one)
    if unknown := [name for name in wanted if name not in found]:
        raise UserError(
            f'"{live.environment.name}" runs no image {unknown[0]!r}',
            f"There is {', '.join(found)}.",
            f"./aerodrome image sbom{live.session.same}",
        )
    return {name: one for name, one in found.items() if name in (wanted or found)}


def _texts(live: Live) -> Iterator[str]:
    clusters = [live.kubernetes, live.cloud.kubernetes(metrics.NAMESPACE, live.outputs)]
    for namespace in clusters:
        for item in namespace.objects(_WORKLOADS, selector="app.kubernetes.io/part-of=aerodrome"):
            yield from _images(item)


def _images(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _images(one)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if key == "image" and isinstance(one, str):
                yield one
            else:
                yield from _images(one)
