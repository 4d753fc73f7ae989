"""Whatever command a message, a document or a recipe proposes can be typed as it stands."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.loader import FilesystemLoader
from invoke.parser import Parser
from invoke.parser.context import ParserContext
from invoke.program import Program

from ascend_wheelhouse.base.cell_words import own_words, stated_words
from ascend_wheelhouse.node.errors import CELL, UNKNOWN_CELL
from ascend_wheelhouse.verify.program import main as verify_main

ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "src").rglob("*.py"), ROOT / "tasks.py", ROOT / "noxfile.py"]
DOCUMENTS = [
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    and not path.is_relative_to(ROOT / "build")  # where setuptools copies what it packs
]
SESSIONS = set(
    re.findall(r"^def ([a-z]\w*)\(session", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE)
)
SAMPLES = {"task": "wheelhouse", "CELL": CELL, "UNKNOWN_CELL": UNKNOWN_CELL}
QUOTED = re.compile(r"`([^`]+)`")
BARE = re.compile(
    r"(?<![\w`/.-])((?:invoke|nox)(?: (?!\s)[^,;()`\n]*?)?)(?=  |[,;()`\n]|\.?$|\. )", re.MULTILINE
)


class Proposed(NamedTuple):
    """A command and where it is proposed."""

    where: str
    command: str


def _docstrings(tree: ast.Module) -> set[int]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, owners)]
    loose = [body[0].value for body in bodies if body and isinstance(body[0], ast.Expr)]
    return {id(value) for value in loose if isinstance(value, ast.Constant)}


def _sample(value: ast.FormattedValue) -> str:
    expression = ast.unparse(value.value)
    if expression.rpartition("(")[0].endswith("words") or expression.endswith("words"):
        return "--torch 2.8.0 --platform aarch64"
    return SAMPLES.get(expression, "SAMPLE")


def _texts(path: Path) -> Iterator[str]:
    """Yield every text of a module that is no docstring, f-strings with samples in their places."""
    tree = ast.parse(path.read_text("utf-8"))
    passed = _docstrings(tree)
    for node in ast.walk(tree):
        if id(node) in passed:
            continue
        match node:
            case ast.JoinedStr():
                passed |= {id(part) for part in ast.walk(node)}
                parts = (
                    _sample(part) if isinstance(part, ast.FormattedValue) else ast.literal_eval(part)
                    for part in node.values
                )
                yield "".join(map(str, parts))
            case ast.Constant(value=str()):
                yield str(node.value)


def _commands(text: str) -> Iterator[str]:
    for quoted in QUOTED.findall(text):
        if re.match(r"(invoke|nox)( |$)", quoted):
            yield quoted
    for bare in BARE.findall(QUOTED.sub("``", text)):
        yield bare.strip()


def _in_document(text: str) -> Iterator[str]:
    """Yield commands in backticks, and those of code blocks, one by one."""
    yield from (one for one in QUOTED.findall(text) if re.match(r"(invoke|nox) ", one))
    fenced = re.findall(r"^```(?:sh|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks = [line for block in fenced for line in block.splitlines()]
    for line in [*blocks, *re.findall(r"^(?:    )(.*)$", text, re.MULTILINE)]:
        for part in re.split(r"&&|\||;", line.split("  ")[0].split(" # ")[0]):
            if found := re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*((?:invoke|nox) .*)", part):
                yield found[1]


def in_messages() -> list[Proposed]:
    """Return what the program's own texts propose."""
    return [
        Proposed(str(path.relative_to(ROOT)), command)
        for path in SOURCES
        for text in _texts(path)
        for command in _commands(text)
    ]


def in_recipes() -> list[Proposed]:
    """Return what recipes say of supplying a component, the fields of the cell filled in."""
    found = []
    for path in (ROOT / "recipes").glob("*.toml"):
        supply = tomllib.loads(path.read_text("utf-8")).get("supply", "")
        filled = re.sub(r"\{\w+\}", "SAMPLE", supply.replace(CELL, UNKNOWN_CELL))
        found += [Proposed(path.name, command) for command in _commands(filled)]
    return found


def in_locks() -> list[Proposed]:
    """Return what committed locks say of supplying a component."""
    return [
        Proposed(str(path.relative_to(ROOT)), command)
        for path in (ROOT / "lockfiles").glob("*/payloads.*.toml")
        for item in tomllib.loads(path.read_text("utf-8")).get("pending", ())
        for command in _commands("\n".join(map(str, item.values())))
    ]


def in_documents() -> list[Proposed]:
    """Return what documents show."""
    return [
        Proposed(str(path.relative_to(ROOT)), command)
        for path in DOCUMENTS
        for command in _in_document(path.read_text("utf-8"))
    ]


@pytest.fixture(scope="module")
def parser() -> Parser:
    """Return invoke's own parser of the real tasks."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    for number, handler in before.items():  # tasks.py has them end its program
        signal.signal(number, handler)
    contexts = Collection.from_module(module).to_contexts()
    return Parser(initial=Program().initial_context, contexts=contexts)


def _fault(command: str, parser: Parser, *, of_a_cell: bool) -> str:
    """Return why a command cannot be typed as it stands, or nothing."""
    words = shlex.split(command.replace(CELL, UNKNOWN_CELL))
    own, _, _passed_on = (list(part) for part in _split(words[1:]))
    if words[0] == "nox":
        named = own[1:] if own[:1] == ["-s"] else []
        unknown = set(named) - SESSIONS
        return "" if named and not unknown else f"no session: {unknown or own}"
    if own[:1] == ["--help"]:
        return "" if own[1:] and own[1] in {*parser.contexts, "COMMAND"} else f"no task: {own[1:]}"
    try:
        _core, *tasks = parser.parse_argv(own)
    except ParseError as error:
        return str(error)
    if of_a_cell:
        return "; ".join(f"{task.name} names no cell" for task in tasks if not _names_its_cell(task))
    return ""


def _split(words: list[str]) -> tuple[list[str], list[str], list[str]]:
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at : at + 1], words[at + 1 :]


def _names_its_cell(task: ParserContext) -> bool:
    if "torch" not in task.args or task.name in {"matrix", "vendor", "watch"}:
        return True  # `vendor` is about a file, whose name tells its cell; the others about many cells
    given = {name for name, argument in task.args.items() if argument.got_value or argument.raw_value}
    return {"torch", "platform"} <= given or bool(given & {"wheelhouse", "list", "verify", "rebuild"})


def test_every_command_of_a_message_can_be_typed_and_is_about_the_users_cell(parser: Parser) -> None:
    proposed = in_messages()
    assert len({one.command for one in proposed}) > 30
    faults = {one: _fault(one.command, parser, of_a_cell=True) for one in proposed}
    assert {one: fault for one, fault in faults.items() if fault} == {}


def test_every_command_of_a_recipe_or_a_lock_can_be_typed_and_is_about_its_cell(parser: Parser) -> None:
    proposed = [*in_recipes(), *in_locks()]
    assert {"invoke vendor FILE", f"invoke build deep-ep {UNKNOWN_CELL}"} <= {one.command for one in proposed}
    faults = {one: _fault(one.command, parser, of_a_cell=True) for one in proposed}
    assert {one: fault for one, fault in faults.items() if fault} == {}


def test_every_command_of_a_document_can_be_typed(parser: Parser) -> None:
    proposed = in_documents()
    assert len({one.command for one in proposed}) > 60
    faults = {one: _fault(one.command, parser, of_a_cell=False) for one in proposed}
    named = {one for one in proposed if one.command in _bare_names(parser)}
    assert {one: fault for one, fault in faults.items() if fault and one not in named} == {}


def _bare_names(parser: Parser) -> set[str]:
    return {f"invoke {name}" for name in parser.contexts}


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("invoke cache --check", "--check"),
        ("invoke lock --upgrade --torch 2.8.0 --platform aarch64 --build x", "--build"),
        ("invoke lock --upgrade", "lock names no cell"),
        ("invoke lokc", "lokc"),
        ("nox -s verfy", "verfy"),
        ("invoke vendor", "required positional"),
    ],
)
def test_a_command_that_cannot_be_typed_is_found(parser: Parser, command: str, fault: str) -> None:
    """The two that were proposed until now are among them."""
    assert fault in _fault(command, parser, of_a_cell=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"torch": "2.8.0", "platform": "aarch64", "npu": "a3"}, "--torch 2.8.0 --platform aarch64"),
        (
            {"torch": "2.8.0", "platform": "x86_64", "npu": "910b", "cann": "8.5.0", "sglang": "0.5.6"},
            "--torch 2.8.0 --platform x86_64 --npu 910b --cann 8.5.0 --sglang 0.5.6",
        ),
        ({"torch": "2.8.0", "platform": "aarch64", "stack": "mine"}, "--stack mine --platform aarch64"),
        (
            {"torch": "2.10.0", "platform": "aarch64", "glibc": "2.34", "python": "3.12"},
            "--torch 2.10.0 --platform aarch64 --glibc 2.34 --python 3.12",
        ),
        ({"torch": "2.8.0", "platform": "aarch64", "python": "3.11"}, "--torch 2.8.0 --platform aarch64"),
        ({"torch": "a b", "platform": "aarch64"}, "--torch 'a b' --platform aarch64"),
    ],
)
def test_a_cells_own_words_are_those_that_name_it(words: dict[str, str], said: str) -> None:
    assert own_words(words) == said


def test_a_manifest_names_its_cell_too() -> None:
    assert stated_words(
        {"torch": "2.8.0", "machine": "aarch64", "npu": "910b", "cann": "8.5.0", "glibc": "2.28"}
    ) == ("--torch 2.8.0 --platform aarch64 --npu 910b --cann 8.5.0")


def test_what_goes_behind_the_dashes_of_verify_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        verify_main(["--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    for one in [*in_messages(), *in_documents()]:
        if one.command.startswith("nox -s verify --"):
            options = {word for word in one.command.split()[4:] if word.startswith("--")}
            assert options <= known, one


def test_an_error_from_deep_inside_proposes_the_cell_that_the_user_named(tmp_path: Path) -> None:
    """A lock is read by code that knows no cell; without its words the command would be about the default one."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    (tmp_path / "tasks.py").symlink_to(ROOT / "tasks.py")
    folder = tmp_path / "lockfiles/sglang0.5.6.post2-torch2.8.0-cann8.5.0-910b"
    folder.mkdir(parents=True)
    for name in ("pylock.x86_64.toml", "payloads.x86_64.toml", "sources.x86_64.toml"):
        (folder / name).write_text("spoiled = [")
    cell = "--torch 2.8.0 --platform x86_64 --npu 910b --cann 8.5.0"
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "plan", "--json", *cell.split()],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "WHEELHOUSE_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f"`invoke lock --upgrade {cell}`" in done.stderr
    assert f"`invoke lock --upgrade {cell}`" in json.loads(done.stdout.splitlines()[-1])["next"]
