"""What the program makes for Grafana: with metrics, unless it is told otherwise."""

import pytest

from cli.cloud.catalogue import BY_TYPE
from infra.contract import grafana
from tests.charts.rollouts import replaced
from tests.program.recording import SECRETS, Program, run_program
from tests.program.test_monitoring import CONFIG, RELEASE, rendered, values

SECRET = "kubernetes:core/v1:Secret"
PASSWORD = SECRETS["grafanaAdminPassword"]


@pytest.fixture(scope="module")
def monitored() -> Program:
    return run_program(CONFIG, SECRETS)


@pytest.fixture(scope="module")
def without() -> Program:
    return run_program({**CONFIG, "grafana": "false"}, SECRETS)


def secrets(program: Program) -> list[str]:
    return [one.inputs["metadata"]["name"] for one in program.of_type(SECRET)]


def test_its_pod_goes_by_the_digest_of_the_one_place_where_it_is_pinned(monitored: Program) -> None:
    spec = dict(rendered(monitored).pod_specs())[grafana.SERVICE]
    (container,) = spec["containers"]
    assert container["image"] == f"{grafana.IMAGE['repository']}@{grafana.IMAGE['digest']}"
    service = rendered(monitored).find("Service", grafana.SERVICE)
    assert service["spec"]["ports"][0]["port"] == grafana.PORT
    # Nothing of it is built.
    assert not [one for one in monitored.resources if one.name.endswith("-grafana-image")]


def test_its_password_is_in_its_secret_and_in_no_value(monitored: Program) -> None:
    secret = monitored.one(SECRET, f"-{grafana.SECRET}")
    assert secret.inputs["stringData"] == {grafana.ADMIN: PASSWORD}
    assert "stringData" in secret.secret_inputs
    assert monitored.depends_on(monitored.one(RELEASE, "-monitoring"), secret)
    assert PASSWORD not in str(values(monitored, "-monitoring"))
    assert PASSWORD not in str(monitored.outputs)


def test_it_costs_no_more_than_the_room_of_a_pod(monitored: Program, without: Program) -> None:
    prices = [
        list(BY_TYPE[RELEASE].price(one.one(RELEASE, "-monitoring").inputs))
        for one in (monitored, without)
    ]
    assert prices[0] == prices[1]


def test_there_is_none_where_it_is_not_wanted_or_has_nothing_to_read(without: Program) -> None:
    assert "grafana" not in values(without, "-monitoring")
    logs = run_program({**CONFIG, "monitoring": "logs"}, SECRETS)
    for program in (without, logs):
        assert grafana.SECRET not in secrets(program)
        assert grafana.SERVICE not in dict(rendered(program).pod_specs())
    nothing = run_program({"environment": "test", "monitoring": "none"}, SECRETS)
    assert not [one for one in nothing.resources if "monitoring" in one.name]


def test_it_alone_is_replaced_with_its_password_and_with_the_readers(monitored: Program) -> None:
    before = rendered(monitored)
    for key, pods in (
        ("grafanaAdminPassword", {"grafana"}),
        ("metricsReaderPassword", {"grafana", "influxdb", "telegraf"}),
        ("metricsWriterPassword", {"influxdb", "telegraf"}),
    ):
        after = run_program(CONFIG, {**SECRETS, key: "another-password"})
        assert replaced(before, rendered(after)) == pods, key


@pytest.mark.parametrize(
    ("config", "address"),
    [
        ({}, ""),
        ({"repository": "git.example/team/kit"}, ""),
        (
            {"repository": "github.com/team/kit"},
            "https://github.com/team/kit/blob/HEAD/docs/runbooks",
        ),
        (
            {"repository": "github.com/team/kit", "runbookUrl": "https://wiki.example/runbooks"},
            "https://wiki.example/runbooks",
        ),
    ],
)
def test_where_alerts_find_their_pages(config: dict[str, str], address: str) -> None:
    assert (
        grafana.runbook_url(config.get("runbookUrl", ""), config.get("repository", "")) == address
    )


def test_links_come_by_the_setting() -> None:
    linked = run_program({**CONFIG, "runbookUrl": "https://wiki.example/runbooks"}, SECRETS)
    told = values(linked, "-monitoring")["grafana"]
    assert told["runbookUrl"] == "https://wiki.example/runbooks"


CONTACTS = {
    "alertEmails": '["ops@example.org"]',
    "smtpHost": "smtp.example.org",
    "smtpPort": "2525",
    "smtpFrom": "grafana@example.org",
    "smtpUser": "mailer",
}
CONTACT_SECRETS = {
    "smtpPassword": "mail-p@ss",
    "alertSlackUrl": "https://hooks.example.org/services/T/B/x",
    "alertWebhookUrl": "https://pager.example.org:8443/v1",
    "alertWebhookToken": "pager-token",
}


def test_contacts_reach_grafana_by_a_secret_and_their_ports_are_open(monitored: Program) -> None:
    found = run_program({**CONFIG, **CONTACTS}, {**SECRETS, **CONTACT_SECRETS})
    secret = found.one(SECRET, f"-{grafana.CONTACTS_SECRET}")
    assert set(secret.inputs["stringData"].values()) == set(CONTACT_SECRETS.values())
    assert "stringData" in secret.secret_inputs
    assert found.depends_on(found.one(RELEASE, "-monitoring"), secret)
    for word in CONTACT_SECRETS.values():
        assert word not in str(values(found, "-monitoring"))
        assert word not in str(rendered(found).objects)
        assert word not in str(found.outputs)
    policy = rendered(found).find("NetworkPolicy", grafana.SERVICE)["spec"]
    assert policy["egress"][2]["ports"] == [{"port": port} for port in (443, 2525, 8443)]
    # The chart asks for the keys that the Secret has.
    spec = dict(rendered(found).pod_specs())[grafana.SERVICE]
    (volume,) = [one for one in spec["volumes"] if one["name"] == "contacts"]
    assert volume["secret"]["secretName"] == grafana.CONTACTS_SECRET
    assert {item["key"] for item in volume["secret"]["items"]} == set(secret.inputs["stringData"])
    assert replaced(rendered(monitored), rendered(found)) == {"grafana"}


@pytest.mark.parametrize("key", CONTACT_SECRETS)
def test_a_new_secret_of_a_contact_replaces_grafana_alone(key: str) -> None:
    other = {**CONTACT_SECRETS, key: CONTACT_SECRETS[key] + "x"}
    before, after = (
        rendered(run_program({**CONFIG, **CONTACTS}, {**SECRETS, **words}))
        for words in (CONTACT_SECRETS, other)
    )
    assert replaced(before, after) == {"grafana"}


def test_without_contacts_there_is_no_secret_of_them(monitored: Program, without: Program) -> None:
    assert grafana.CONTACTS_SECRET not in secrets(monitored)
    assert values(monitored, "-monitoring")["grafana"]["contactPorts"] == [443]
    kept = run_program({**CONFIG, **CONTACTS, "grafana": "false"}, {**SECRETS, **CONTACT_SECRETS})
    assert grafana.CONTACTS_SECRET not in secrets(kept)


def test_what_is_missing_or_impossible_is_refused() -> None:
    without = {key: word for key, word in SECRETS.items() if key != "grafanaAdminPassword"}
    with pytest.raises(Exception, match="grafanaAdminPassword is not set, and monitoring needs"):
        run_program(CONFIG, without)
    run_program({**CONFIG, "grafana": "false"}, without)
    for key in ("grafanaAdminPassword", "metricsReaderPassword"):
        with pytest.raises(Exception, match=rf"{key} has a \$ in it"):
            run_program(CONFIG, {**SECRETS, key: "pass$word-of-somebody"})
    with pytest.raises(Exception, match="runbookUrl is 'wiki': must be an address such as"):
        run_program({**CONFIG, "runbookUrl": "wiki"}, SECRETS)
