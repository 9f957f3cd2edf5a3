"""What a deployed stack tells, as a record: also one of the version before, and one that is half deployed."""

from infra.contract.outputs import CONTRACT, Output, Outputs, refusal


def test_a_value_is_asked_for_by_name() -> None:
    told = Outputs({"clusterName": "aerodrome-dev", "uiPort": 8080, "protect": True})
    assert (told.cluster_name, told.ui_port, told.protect) == ("aerodrome-dev", 8080, True)


def test_what_is_not_there_is_empty() -> None:
    told = Outputs({"base": None})
    assert (told.base, told.contract, told.protect) == ("", 0, False)


def test_the_version_before_called_the_tenancy_otherwise() -> None:
    assert Outputs({"rung": "shared"}).tenancy == "shared"
    assert Outputs({"rung": "shared"}).shared
    assert Outputs({"rung": "shared", "tenancy": "dedicated"}).tenancy == "dedicated"


def test_every_output_says_what_it_is() -> None:
    declared = [value for value in vars(Outputs).values() if isinstance(value, Output)]
    assert len(declared) > 25
    assert all(output.doc.endswith(".") for output in declared)
    keys = [key for output in declared for key in output.keys]
    assert len(keys) == len(set(keys))


def test_who_can_be_a_base() -> None:
    good = {"tenancy": "dedicated", "contract": CONTRACT}
    assert refusal("dev", Outputs(good)) is None
    assert refusal("dev", Outputs({"rung": "dedicated", "contract": CONTRACT})) is None
    shared = refusal("dev-x", Outputs({**good, "tenancy": "shared", "base": "dev"}))
    assert shared is not None
    assert shared[2] == "./aerodrome up --base dev"
    older = refusal("dev", Outputs({**good, "contract": CONTRACT - 1}))
    assert older is not None
    assert "older version" in older[0]
