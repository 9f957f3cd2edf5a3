"""What a failed run is called: by its exit code, its words and its extent."""

import signal

import pytest

from cli.base.errors import KitError, UserError
from cli.stack.command import Ended
from cli.stack.events import Message
from cli.stack.failures import Extent, failure


def failed(code: int = 255, said: str = "", *messages: Message, touched: bool = False) -> KitError:
    return failure(
        "up",
        "dev",
        Ended(code, "", said),
        messages,
        extent=Extent(touched=touched),
        retry="./aerodrome up --env dev",
        executable="/bin/pulumi",
    )


def error(text: str, urn: str = "") -> Message:
    return Message("error", f"error: {text}", urn)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_was_killed_can_be_run_again(number: signal.Signals) -> None:
    found = failed(-number)
    assert found.summary == f"`pulumi up` was ended by {number.name}"
    assert found.exit_code == 1
    assert found.command == "./aerodrome up --env dev"


def test_one_that_crashed_before_it_said_anything_does_not_work() -> None:
    found = failed(-signal.SIGILL)
    assert isinstance(found, UserError)
    assert found.summary == "The Pulumi CLI does not work: it was ended by SIGILL"
    assert found.detail == "/bin/pulumi"


def test_what_follows_from_an_error_is_left_out() -> None:
    text = "Program failed with an unhandled exception:\nTraceback\nException: resource monitor shut down"
    found = failed(255, "", error("no room", "urn::a::vpc"), error(text), touched=True)
    assert found.detail.splitlines()[0] == "vpc: error: no room"
    assert "Traceback" not in found.detail
    assert "the same command continues from there" in found.detail


def test_it_is_said_if_there_is_nothing_else() -> None:
    assert (
        "resource monitor shut down" in failed(255, "", error("resource monitor shut down")).detail
    )


def test_a_base_with_another_passphrase_is_to_be_brought_up_first() -> None:
    told = Message(
        "info", "eliding undecryptable secrets for stack reference 'organization/aerodrome/base'"
    )
    found = failed(255, "", told, error("incorrect passphrase", "urn::a::x"), touched=True)
    assert found.summary == 'The base\'s secrets cannot be read with the passphrase of "dev"'
    assert found.command == "./aerodrome up --env base"


@pytest.mark.parametrize("touched", [True, False])
def test_an_api_that_no_worker_leads_to_is_named_with_the_reason(touched: bool) -> None:
    text = "The Kubernetes API of aerodrome-dev is not reached: No worker is online\n    aws look"
    found = failed(255, "", error(text, "urn::pulumi:pulumi:Stack::aerodrome-dev"), touched=touched)
    assert found.summary == "The Kubernetes API is not reached; nothing in the cluster was changed"
    assert "No worker is online\n    aws look" in found.detail
    assert ("the same command continues" in found.detail) is touched
    assert found.command == "./aerodrome up --env dev"
    assert found.exit_code == (1 if touched else 2)
