"""Which AWS services are served, and what stands before MiniStack's handler of each."""

from sandbox.aws.standin import (
    ec2,
    eks,
    eks_auth,
    eks_resources,
    emulator,
    iam,
    iam_resources,
    images,
    inventory,
    kms_resources,
    load_balancers,
    parameters,
    quotas,
    sessions,
)
from sandbox.aws.standin.call import Call, Handler, from_raw, to_raw
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.settings import Settings

SERVED = frozenset({*inventory.COLLECTORS, "eks-auth", "servicequotas", "sts", "tagging"})
"""Names as in a signature's scope: those whose resources an inventory lists, so that nothing
can be made that a teardown would not find, and four that have no resources."""

READS = ("Get", "List", "Describe", "Head", "BatchGet", "BatchCheck", "Lookup", "Simulate")


def install(settings: Settings) -> None:
    """Put our handlers before MiniStack's, and a save behind each."""
    handlers = emulator.handlers()
    for name in list(handlers):
        if name not in SERVED:
            del handlers[name]
            continue
        handler = _in_front(name, from_raw(handlers[name]), settings)
        handlers[name] = to_raw(saving(name, emulator.state_key(name), handler))
    pod_identity = saving("eks-auth", "", eks_auth.handler(settings))
    emulator.add_service("eks-auth", to_raw(pod_identity))
    emulator.add_service("servicequotas", to_raw(quotas.handler(settings.state)), "service-quotas")
    eks_resources.install()
    iam_resources.install()
    kms_resources.install()
    eks.repair()


def _in_front(name: str, handler: Handler, settings: Settings) -> Handler:
    match name:
        case "eks":
            return eks.handler(handler, settings)
        case "ec2":
            return ec2.handler(handler, settings.state)
        case "ecr":
            return images.handler(handler, images.Registry(settings.registry_url))
        case "elasticloadbalancing":
            return load_balancers.handler(handler)
        case "iam":
            return iam.handler(handler)
        case "sts":
            return iam.sts_handler(handler)
        case "ssm":
            return parameters.handler(handler)
        case "tagging":
            return inventory.handler(handler)
        case _:
            return handler


def saving(name: str, state_key: str, handler: Handler) -> Handler:
    """A handler whose changes are on disk before the caller hears of them.

    MiniStack itself writes its state only when it ends in an orderly way.
    """

    async def answer(call: Call) -> Answer:
        result = await handler(call)
        if result[0] < 300 and changes_state(name, call):
            if name in ("sts", "eks-auth"):
                sessions.save()
            else:
                emulator.save(state_key)
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
