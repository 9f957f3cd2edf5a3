"""The register of AWS services: which are served, and the handlers before MiniStack's own."""

from collections.abc import Callable

from sandbox.aws.standin import (
    budgets,
    classic,
    ec2,
    eks,
    eks_auth,
    eks_resources,
    emulator,
    events,
    iam,
    iam_resources,
    images,
    internals,
    inventory,
    kms_resources,
    parameters,
    secrets,
    sessions,
)
from sandbox.aws.standin.call import Call, Handler, from_raw, to_raw
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.settings import EmulatorSettings

SERVED = frozenset({*inventory.COLLECTORS, "sts", "tagging"})
"""Names as in a signature's scope: those whose resources an inventory lists, so that nothing
can be made that a teardown would not find, and two that have no resources."""

READS = ("Get", "List", "Describe", "Head", "BatchGet", "BatchCheck", "Lookup", "Simulate")

Layer = Callable[[Handler], Handler]
"""Makes a handler that answers some calls itself and leaves the rest to the one it is given."""


class Services:
    """The register of the services that are served, each with its stack of handlers."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.names = set(SERVED)
        for name in emulator.handlers().keys() - SERVED:
            del emulator.handlers()[name]

    def wrap(self, name: str, layer: Layer) -> None:
        """Put a layer before all that answers a service's calls so far."""
        handlers = emulator.handlers()
        handlers[name] = to_raw(layer(from_raw(handlers[name])))

    def add(self, name: str, handler: Handler, botocore: str = "") -> None:
        """Serve a service that MiniStack does not have; `botocore` is its name there, if another."""
        internals.add_service(name, to_raw(handler), botocore)
        self.names.add(name)


Extension = Callable[[Services], None]
"""Registers more than the sandbox needs: the tests of what only AWS has bring theirs."""


def install(services: Services) -> None:
    """Register what the kit needs and MiniStack lacks, and a save behind each change."""
    settings = services.settings
    registry = images.Registry(settings.registry_url)
    layers: dict[str, Layer] = {
        "ec2": ec2.handler,
        "ecr": lambda inner: images.handler(inner, registry),
        "eks": lambda inner: eks.handler(inner, settings),
        "elasticloadbalancing": classic.handler,
        "events": events.handler,
        "iam": iam.handler,
        "secretsmanager": secrets.handler,
        "ssm": parameters.handler,
        "sts": iam.sts_handler,
        "tagging": inventory.handler,
    }
    for name in SERVED:
        if name in layers:
            services.wrap(name, layers[name])
        services.wrap(name, _saves(name))
    services.add("eks-auth", saving("eks-auth", eks_auth.handler(settings)))
    budgets.install()
    eks_resources.install()
    iam_resources.install()
    kms_resources.install()
    eks.repair()


def _saves(name: str) -> Layer:
    return lambda inner: saving(name, inner)


def saving(name: str, handler: Handler) -> Handler:
    """A handler whose changes are on disk before the caller gets the answer.

    MiniStack itself writes its state only when it ends in an orderly way.
    """

    async def answer(call: Call) -> Answer:
        result = await handler(call)
        if result[0] < 300 and changes_state(name, call):
            if name in ("sts", "eks-auth"):
                sessions.save()
            else:
                emulator.save(name)
        return result

    return answer


def changes_state(name: str, call: Call) -> bool:
    if call.method in ("GET", "HEAD"):
        return False
    if name == "s3":
        # Objects are files that MiniStack writes at once; only buckets are in its state.
        return "/" not in call.path.strip("/")
    if name == "sts":
        return True
    return not call.action.startswith(READS)
