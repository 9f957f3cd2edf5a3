"""The sandbox's emulator, extended with what only an account on AWS has. Bootstrap and teardown are tested on it.

Runs as `MINISTACK_PYTHON -m tests.aws.standin`, with the sandbox's settings.
"""

from sandbox.aws.standin.__main__ import main


def extensions():
    # MiniStack reads its settings while it is imported: these modules must not come first.
    from tests.aws.standin import (
        asked,
        capacity,
        instance_types,
        load_balancers,
        quotas,
        worker_sessions,
    )

    modules = (asked, capacity, instance_types, load_balancers, quotas, worker_sessions)
    return tuple(module.register for module in modules)


if __name__ == "__main__":
    main(extensions)
