"""The edge of the command line: words become values there, or end the run with 2."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
from pathlib import Path

import pytest
from invoke.tasks import Task
from invoking import ROOT, invoke

from ascend_wheelhouse import commands
from ascend_wheelhouse.commands.tasks import TOPICS, collection

OF_THE_COMMAND_LINE = {"tasks", "usage", "spelling", "program", "completion"}
"""Modules beside those of commands."""


def test_every_command_has_one_task_in_the_one_place_for_tasks() -> None:
    names = {name for topic in TOPICS for name, value in vars(topic).items() if isinstance(value, Task)}
    modules = {one.name for one in pkgutil.iter_modules(commands.__path__)} - OF_THE_COMMAND_LINE
    assert names == modules
    assert {name.replace("-", "_") for name in collection(ROOT).task_names} == names
    elsewhere = [
        name for name in modules if any(isinstance(one, Task) for one in vars(_command(name)).values())
    ]
    assert elsewhere == []


def test_a_letter_means_the_same_option_in_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    letters: dict[str, set[str]] = {}
    for task in collection(ROOT).tasks.values():
        for argument in task.get_arguments():
            for letter in (one for one in argument.names if len(one) == 1):
                letters.setdefault(letter, set()).add(argument.name)
    assert letters == {
        "t": {"torch"},
        "p": {"platform"},
        "n": {"npu"},
        "o": {"out", "output"},
        "j": {"json"},
        "v": {"verbose"},
    }
    assert invoke("wheelhouse", "-h") == 0
    assert "Make a wheelhouse" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(one.name for one in pkgutil.iter_modules(commands.__path__)))
def test_what_a_command_is_asked_for_is_frozen_and_given_by_keyword(name: str) -> None:
    kinds = [
        value
        for key, value in vars(_command(name)).items()
        if key.endswith("Options") and dataclasses.is_dataclass(value) and isinstance(value, type)
    ]
    assert kinds or name in OF_THE_COMMAND_LINE
    for kind in kinds:
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert all(field.kw_only for field in dataclasses.fields(kind))


def _command(name: str) -> object:
    return importlib.import_module(f"ascend_wheelhouse.commands.{name}")


def test_the_project_folder_is_that_of_the_tasks_and_not_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("recipes", "--json") == 0
    assert "torch" in json.loads(capsys.readouterr().out)["recipes"]
    assert invoke("recipes", "--json", root=tmp_path) == 2
    assert "compatibility.toml: cannot be read" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plan", "--platform", "riscv64"], "Unknown platform"),
        (["fetch", "--npu", "a9"], "Unknown NPU chip"),
        (["build", "sglang", "--npu", "a9"], "Unknown NPU chip"),
        (["lock", "--exclude-newer", "soon"], "is no date"),
        (["lock", "--resolver", "poetry"], "Unknown resolver"),
        (["audit", "--", "'open"], "cannot be read as words of a command"),
    ],
)
def test_a_word_that_cannot_be_is_refused_with_json_too(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    at = words.index("--") if "--" in words else len(words)
    assert invoke(*words[:at], "--json", *words[at:]) == 2
    said = capsys.readouterr()
    assert told in json.loads(said.out)["what"]
    assert "Next: " in said.err
