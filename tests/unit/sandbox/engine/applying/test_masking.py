"""What messages may not say."""

from sandbox.engine.applying.masking import Mask
from sandbox.wire.values import Output, Secret


def test_secrets_are_hidden_wherever_they_stand() -> None:
    mask = Mask()
    mask.learn({"a": Secret({"b": ["hunter2"]}), "c": Output("correct horse", secret=True)})
    assert mask.clean("hunter2 and correct horse") == "[secret] and [secret]"


def test_the_longer_secret_goes_first() -> None:
    mask = Mask()
    mask.learn({"a": Secret("hunter"), "b": Secret("hunter2")})
    assert mask.clean("hunter2") == "[secret]"


def test_what_is_said_in_clear_elsewhere_is_no_secret() -> None:
    mask = Mask()
    mask.learn({"stringData": Secret({"username": "airflow", "password": "hunter2"})})
    mask.learn({"metadata": {"name": "airflow"}})
    assert mask.clean("airflow/hunter2") == "airflow/[secret]"


def test_a_secret_of_the_configuration_always_is() -> None:
    mask = Mask()
    mask.learn_texts(["hunter2"])
    mask.learn({"name": "hunter2"})
    assert mask.clean("hunter2") == "[secret]"


def test_short_texts_are_left_alone() -> None:
    mask = Mask()
    mask.learn({"a": Secret("1")})
    assert mask.clean("1 of 1") == "1 of 1"
