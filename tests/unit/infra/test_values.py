"""The user's values files: what they may hold, what is refused and in which words, and how they are merged."""

import os
from pathlib import Path
from typing import Any

import pytest

from infra import values
from infra.content import PROJECT_ROOT
from infra.values import ValuesError, check, merge, over


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "values").mkdir()
    return tmp_path


def write(root: Path, text: str, name: str = "values/common.yaml") -> None:
    (root / name).write_text(text)


def problems(root: Path, *more: str) -> list[str]:
    with pytest.raises(ValuesError) as caught:
        check("dev", more, root)
    return [str(problem) for problem in caught.value.problems]


def problem(root: Path, text: str) -> str:
    write(root, text)
    found = problems(root)
    assert len(found) == 1, found
    return found[0]


def test_without_files_nothing_is_set(root: Path) -> None:
    assert check("dev", (), root).values == {}


def test_the_examples_of_the_project_are_valid_also_without_their_comments(root: Path) -> None:
    assert check("dev").values == {}
    text = (PROJECT_ROOT / "values" / "common.yaml").read_text()
    examples = [line.removeprefix("# ") for line in text.splitlines()[3:]]
    write(root, "\n".join(line for line in examples if line != "#"))
    found = check("dev", (), root)
    assert found.values["scheduler"]["replicas"] == 2
    assert not found.warnings


def test_later_files_win_and_those_of_other_environments_are_not_read(root: Path) -> None:
    write(root, "scheduler: {replicas: 2, idleSleepSeconds: 1}\nenv: {A: a, B: b}\n")
    write(root, "scheduler: {replicas: 3}\nenv: {A: null}\n", "values/dev.yaml")
    write(root, "scheduler: {replicas: 4}\n", "more.yaml")
    write(root, "nonsense: true\n", "values/other.yaml")
    found = check("dev", ["more.yaml"], root).values
    assert found == {
        "scheduler": {"replicas": 4, "idleSleepSeconds": 1},
        "env": {"A": None, "B": "b"},
    }
    assert over({}, found)["env"] == {"B": "b"}


def test_a_file_that_is_named_must_be_there(root: Path) -> None:
    assert problems(root, "values/none.yaml") == ["values/none.yaml: there is no such file"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_sets_nothing(root: Path, text: str) -> None:
    write(root, text)
    assert check("dev", (), root).values == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "scheduler:\n\treplicas: 2\n",
            "values/common.yaml:2:1: not YAML: YAML is indented with blanks",
        ),
        (
            "- a\n",
            "values/common.yaml:1:1: a values file holds keys and values at its top, not a list",
        ),
        ("a\n", "values/common.yaml:1:1: a values file holds keys and values at its top"),
        ("env: {A: a\n", "values/common.yaml:2:1: not YAML: "),
        ("env: {A: a}\n---\nenv: {}\n", "values/common.yaml:2:1: not YAML: "),
        (
            "env: !!python/object:os.system {}\n",
            "values/common.yaml:1:6: not YAML: no value has the tag",
        ),
        ("env: &a {A: *a}\n", "values/common.yaml:1:6: not YAML: an alias leads to itself"),
        ("env: {A: a, A: b}\n", "values/common.yaml:1:13: env.A: is there twice; line 1"),
        ("1: {}\n", "values/common.yaml:1:1: the key '1' is not text"),
        ("? [a]\n: {}\n", "values/common.yaml:1:3: a key is text, not a list"),
        ("env: {A: 2026-01-01}\n", "values/common.yaml:1:7: env.A: '2026-01-01' is read as a date"),
        (
            "env: {A: yes}\n",
            "values/common.yaml:1:7: env.A: must be text, not true; put it in quotes",
        ),
        ("scheduler: {replicas: .inf}\n", "values/common.yaml:1:13: scheduler.replicas: "),
    ],
)
def test_what_is_no_values_file_is_refused_with_its_place(root: Path, text: str, told: str) -> None:
    write(root, text)
    assert problems(root)[0].startswith(told)


def test_aliases_of_aliases_end(root: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    write(root, "\n".join(rows))
    assert "its aliases stand for more than" in problems(root)[0]


def test_anchors_and_merge_keys_are_yaml(root: Path) -> None:
    write(root, "workers: {env: &e {A: a, B: b}}\nscheduler: {env: {<<: *e, B: c}}\n")
    assert check("dev", (), root).values["scheduler"]["env"] == {"A": "a", "B": "c"}


def test_a_fifo_a_folder_and_what_is_no_text_are_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "fifo.yaml")
    (root / "folder.yaml").mkdir()
    (root / "latin.yaml").write_bytes(b"env: {A: \xe4}\n")
    (root / "nul.yaml").write_bytes(b"env: \0\n")
    (root / "large.yaml").write_text("#" * 1_000_001)
    names = ["fifo.yaml", "folder.yaml", "latin.yaml", "nul.yaml", "large.yaml"]
    found = problems(root, *names)
    assert [one.split(":")[0] for one in found] == names
    assert "is no regular file" in found[0]
    assert "is no regular file" in found[1]
    assert "is not text in UTF-8 (byte 9)" in found[2]
    assert "NUL" in found[3]
    assert "1000001 bytes" in found[4]


def test_the_other_ending_is_not_passed_over_in_silence(root: Path) -> None:
    write(root, "env: {}\n", "values/dev.yml")
    assert problems(root) == ["values/dev.yml: is not read under this name; call it dev.yaml"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scheduler: {replica: 2}", "scheduler.replica: there is no such value; did you mean scheduler.replicas?"),
        ("apiserver: {}", "apiserver: there is no such value; did you mean apiServer?"),
        ("creationBatchSize: 2", "there is workers.creationBatchSize"),
        ("scheduler: {replicas: two}", "must be a whole number, not the text 'two'"),
        ("scheduler: {replicas: 99}", "must be between 1 and 10, not 99"),
        ("triggerer: {enabled: 'no'}", "must be true or false, not the text 'no'"),
        ("image: {pullPolicy: always}", "must be one of IfNotPresent, Always, Never, not 'always'; did you mean Always?"),
        ("workers: {nodeSelector: [a]}", "must be keys and values, not a list"),
        ("workers: {tolerations: [{kee: a}]}", "workers.tolerations[0].kee: there is no such value; did you mean workers.tolerations[0].key?"),
        ("secretEnv: {A: {name: x}}", "secretEnv.A.key: is required"),
        ("env: {AIRFLOW__CORE__X_Y: a}", "config: {core: {x_y: ...}}"),
        ("secretEnv: {AIRFLOW__CORE__FERNET_KEY: {name: a, key: b}}", "is the program's alone"),
        ("volumes: []", "there is migration.volumes, apiServer.volumes"),
        ("scheduler: {volumes: [{name: tmp}]}", "'tmp' is taken by the chart itself"),
    ],
)  # fmt: skip
def test_what_the_chart_does_not_take_is_refused_in_words(root: Path, text: str, told: str) -> None:
    assert told in problem(root, text)


@pytest.mark.parametrize("key", values.OWNED)
def test_what_the_program_decides_is_refused_with_what_to_do_instead(root: Path, key: str) -> None:
    text = "x"
    for part in reversed(key.split(".")):
        text = f"{{{part}: {text}}}"
    told = problem(root, text)
    assert f"{key}: is the program's alone: {values.OWNED[key]}" in told


def test_everything_wrong_is_told_at_once_in_the_order_of_the_files(root: Path) -> None:
    write(root, "executor: LocalExecutor\nconfig: {core: {paralelism: 1}}\nnope: 1\n")
    write(root, "scheduler: {replicas: two}\n", "values/dev.yaml")
    places = [one.split(": ")[0] for one in problems(root, "none.yaml")]
    assert places == [
        "values/common.yaml:1:1",
        "values/common.yaml:2:17",
        "values/common.yaml:3:1",
        "values/dev.yaml:1:13",
        "none.yaml",
    ]


def test_what_the_program_sets_is_a_default() -> None:
    computed = {"config": {"kubernetes_executor": {"task_publish_max_retries": "-1"}}, "a": 1}
    user: dict[str, Any] = {"config": {"kubernetes_executor": {"task_publish_max_retries": None}}}
    assert over(computed, user) == {"config": {"kubernetes_executor": {}}, "a": 1}
    assert computed["config"] == {"kubernetes_executor": {"task_publish_max_retries": "-1"}}


def test_a_null_is_back_to_the_charts_default(root: Path) -> None:
    # Helm would take that away, and the templates fail on it.
    text = "scheduler: {probes: null, parallelism: null}\nworkers: {resources: {limits: {memory: null}}}"
    write(root, text)
    found = check("dev", (), root).values
    assert over({"scheduler": {"parallelism": 16}}, found) == {
        "scheduler": {},
        "workers": {"resources": {"limits": {}}},
    }


def test_lists_are_replaced() -> None:
    assert merge({"a": [1, 2], "b": {"c": [1]}}, {"b": {"c": [2]}}) == {
        "a": [1, 2],
        "b": {"c": [2]},
    }
