"""What is mistyped on the command line ends with 2 and the command that was meant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.loader import FilesystemLoader
from invoke.program import Program

ROOT = Path(__file__).parents[2]
TASKS = Collection.from_module(FilesystemLoader(start=str(ROOT)).load("tasks")[0])
OPTIONS = [
    (context.name, flag)
    for context in TASKS.to_contexts()
    for flag in sorted({**context.flags, **context.inverse_flags})
    if flag.startswith("--")
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a mistake makes after all is made in a folder of the test."""
    monkeypatch.chdir(tmp_path)


def _typed(*words: str) -> int:
    """Run invoke on the real tasks in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        Program(namespace=TASKS).run(["invoke", *words])
    return int(ended.value.code or 0)


def _mistyped(word: str) -> str:
    """Double a letter in the middle."""
    place = (len(word) + 1) // 2
    return word[:place] + word[place - 1] + word[place:]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["wheelhose"], "Next: invoke wheelhouse\n"),
        (["plann", "--torch", "2.8.0"], "Next: invoke plan --torch 2.8.0\n"),
        (["wheelhouse", "--platfrom", "aarch64"], "Next: invoke wheelhouse --platform aarch64\n"),
        (["plan", "--platfrom=x86_64", "--json"], "Next: invoke plan --platform=x86_64 --json\n"),
        (["plan", "--torch", "2.8.0", "lokc"], "Next: invoke plan --torch 2.8.0 lock\n"),
        (["wheelhouse", "--no-audti"], "Next: invoke wheelhouse --no-audit\n"),
        (["--lsit"], "there is no option '--lsit'. Did you mean --list?"),
        (["--help", "plna"], "Next: invoke --help plan\n"),
        (["plan", "--json=yes"], "Error: --json of plan takes no value.\n\nNext: invoke plan --json\n"),
        (["audit", "A.whl"], "Next: invoke audit -- A.whl\n"),
        (
            ["audit", "A.whl", "--platform", "x86_64", "B c.whl", "--json", "--", "d.whl"],
            "Next: invoke audit --platform x86_64 --json -- A.whl 'B c.whl' d.whl\n",
        ),
        (
            ["wheelhouse", "--torch"],
            "Error: --torch of wheelhouse needs a value\n\nNext: invoke --help wheelhouse\n",
        ),
        (["vendor"], "Next: invoke --help vendor\n"),
        (["build", "torch-npu", "--ofline"], "Next: invoke build torch-npu --offline\n"),
        (["build", "--ofline", "torch-npu"], "Next: invoke build --offline torch-npu\n"),
        (["keygen", "--jsn"], "Next: invoke keygen --json\n"),
        (["plan", "--torch", "--json"], "Error: --torch of plan needs a value\n"),
        (["plan", "--torch", "--jsno"], "--torch of plan needs a value, and --jsno is none"),
        (["plan", "--zzzzzz"], "Next: invoke --help plan\n"),
        (["--torch", "2.8.0", "--json"], "Next: invoke wheelhouse --torch 2.8.0 --json\n"),
        (
            ["--platform=aarch64", "plan", "--torch", "2.8.0"],
            "Next: invoke plan --platform=aarch64 --torch 2.8.0\n",
        ),
        (["--json", "outdated"], "Next: invoke outdated --json\n"),
        (["--no-audit", "wheelhouse"], "Next: invoke wheelhouse --no-audit\n"),
        (["--show-config"], "Next: invoke wheelhouse --show-config\n"),
        (["--vulnerabilities", "x", "stacks"], "is an option of show, watch, and no such command"),
        (["show", "--html", "a.html"], "Next: invoke show --html --out a.html\n"),
        (
            ["show", "wheelhouse/of a cell", "-j"],
            "Next: invoke show --wheelhouse 'wheelhouse/of a cell' -j\n",
        ),
        (["wheelhouse", "-t", "2.8.0", "out/"], "Next: invoke wheelhouse -t 2.8.0 --output out/\n"),
        (["stacks", "wheelhouse/x"], "there is no command 'wheelhouse/x'"),
        (
            ["wheelhouse", "2.8.0", "aarch64", "--npu", "a3", "-j"],
            "Next: invoke wheelhouse --torch 2.8.0 --platform aarch64 --npu a3 -j\n",
        ),
        (
            ["plan", "torch==2.8.0", "910b", "platform=x86_64"],
            "Next: invoke plan --torch 2.8.0 --npu 910b --platform x86_64\n",
        ),
        (["plan", "--torch", "2.8.0", "2.9.0"], "there is no command '2.9.0'"),
        (
            ["plan", "--torch", "2.8.0", "-j", "--torch", "2.9.0"],
            "--torch of plan stands twice, and takes one value.\n\nNext: invoke plan --torch=2.9.0 -j\n",
        ),
        (["plan", "--torch=2.8.0", "-t=2.9.0"], "Next: invoke plan --torch=2.9.0\n"),
        (
            ["plan", "-t", "2.8.0", "lock", "-t", "1", "--torch=2"],
            "Next: invoke plan -t 2.8.0 lock --torch=2\n",
        ),
        (["vendor", "a", "--npu", "a3", "--npu", "910b"], "Next: invoke vendor a --npu=910b\n"),
        (
            ["lock", "--profile", "--offline", "--profile", "a.html", "--profile", "b.html"],
            "Next: invoke lock --profile=b.html --offline\n",
        ),
        (["stacks", "2.8.0"], "there is no command '2.8.0'"),
        (
            ["plan", "--torch", "2.8.0", "--torch-npu", "2"],
            "there is no option '--torch-npu' of plan.\n\nNext: invoke --help plan\n",
        ),
        (
            ["fetch", "--retry"],
            "there is no option '--retry' of fetch. Did you mean --extra?\n\nNext: invoke --help fetch\n",
        ),
        (["--zzzzzz", "plan"], "there is no option '--zzzzzz'.\n\nNext: invoke --list\n"),
        (
            ["image", "--torch", "2.8.0"],
            "there is no option '--torch' of image.\n\nNext: invoke --help image\n",
        ),
    ],
)
def test_a_mistyped_command_line_is_exit_2_with_the_right_one(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _typed(*words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--torc", "2.8.0", "--json"],
        ["-j", "plan", "--torc", "2.8.0"],
        ["plann", "--json"],
        ["plan", "--json", "--torch="],
        ["plan", "--json", "--torch", "2.8\n0"],
        ["keygen", "-j", "--path="],
        ["plan", "--json=yes", "-j"],
    ],
)
def test_a_program_that_asked_for_json_reads_what_was_wrong(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _typed(*words) == 2
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["exit_code"] == 2
    assert f"Error: {told['what']}" in printed.err


def test_json_for_a_wheel_of_that_name_is_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert _typed("audit", "--torc", "--", "--json") == 2
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told", "right"),
    [
        (
            "plan --torch 2.8.0 --torch 2.9.0",
            "--torch of plan stands twice, and takes one value",
            "--torch=2.9.0",
        ),
        (
            "plan --torch=2.8.0 --torch=2.9.0",
            "--torch of plan stands twice, and takes one value",
            "--torch=2.9.0",
        ),
        ("plan -paarch64 -p x86_64", "--platform of plan stands twice", "--platform=x86_64"),
        ("plan -paarch64 --platform=x86_64", "--platform of plan stands twice", "--platform=x86_64"),
        ("plan -p aarch64 --platform x86_64", "--platform of plan stands twice", "--platform=x86_64"),
        (
            "lock --upgrade-package a --upgrade-package b==1 --torch 2.8.0",
            "several values with commas between them",
            "--upgrade-package=a,b==1 --torch 2.8.0",
        ),
        ("watch --only a --json --only=b", "--only of watch stands twice", "--only=a,b --json"),
    ],
)
def test_an_option_of_one_value_that_stands_twice_is_told_as_that(
    words: str, told: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was said that the second value has no option, with the same command line as the right one."""
    assert _typed(*words.split()) == 2
    error = capsys.readouterr().err
    assert told in error
    assert f"Next: invoke {words.split(maxsplit=1)[0]} {right}\n" in error


@pytest.mark.parametrize(
    "words", ["plan -paarch64 x86_64", "plan -p aarch64 x86_64", "plan -p=aarch64 x86_64"]
)
def test_an_option_that_was_given_by_its_letter_is_not_proposed_again(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The proposed command had the option twice, and did not run."""
    assert _typed(*words.split()) == 2
    assert "Next: invoke --list\n" in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["-h", "--help"])
@pytest.mark.parametrize("name", sorted(TASKS.task_names))
def test_help_behind_a_task_is_its_help(name: str, asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _typed(name, asked) == 0
    assert f" {name} [--options]" in capsys.readouterr().out.splitlines()[0]


def test_a_reader_that_leaves_the_help_sees_no_traceback() -> None:
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from invoke.main import program; program.run()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "build", "--help"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("name", sorted(TASKS.task_names))
def test_every_task_is_proposed_when_it_is_mistyped(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _typed(_mistyped(name)) == 2
    assert f"Did you mean {name}?" in capsys.readouterr().err


@pytest.mark.parametrize(("task", "flag"), OPTIONS)
def test_every_option_is_proposed_when_it_is_mistyped(
    task: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _typed(task, _mistyped(flag)) == 2
    assert f"of {task}. Did you mean {flag}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["wheelhose"], "Did you mean wheelhouse?"),
        (["plan", "--torch="], "is not a version"),
        (["plan", "--torch=2.8\n0"], "holds the character '\\n'"),
        (["plan", "--torch=\udcff"], "holds the character '\\udcff'"),
        (["plan", f"--torch={'x' * 70000}"], "is 70000 characters long"),
        (["keygen", "--path="], "--path of keygen is empty"),
        (["verify-report", "--folder= "], "--folder of verify-report is nothing but blanks"),
        (["audit", "--", "\u00a0"], "what stands behind `--` is nothing but blanks"),
        (["audit", "--", "a\tb"], "what stands behind `--` holds the character '\\t'"),
        (["wheelhouse", "--offline", "--build=nonesuch"], "'nonesuch' is no component of"),
        (["plan", "--torch", "banana"], "is not a version"),
        (["plan", f"--torch={'9' * 5000}"], "is not a version"),
        (["plan", f"--sglang={'9' * 5000}"], "is not a version"),
        (["bundle", "--wheelhouse=.", f"--serial={'9' * 5000}"], "Next: "),
        (["audit", "--", "--json"], "There is no wheel to audit."),
        (["audit", "--", "gone.whl", "--json"], "1 wheel is not there: gone.whl."),
    ],
)
def test_bad_usage_is_exit_2_in_a_process_of_its_own(words: list[str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_that_would_be_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert _typed("--dry", "init", str(tmp_path / "project")) == 2
    assert "--dry (-R) would keep nothing from being done." in capsys.readouterr().err
    assert not (tmp_path / "project").exists()
