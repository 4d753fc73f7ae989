"""Completion in real shells: the printed script is read, and Tab is pressed in a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from program_rig import Installed

pytest_plugins = ["program_fixtures"]

_SECONDS = 60.0
_SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
_READY = "all-read"
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[()].|.)|[\x00\x07\x08\r]"
)


class Shell:
    """An interactive shell in a terminal of its own."""

    def __init__(self, name: str, folder: Path, environ: dict[str, str]) -> None:
        self._pid, self._terminal = pty.fork()
        if not self._pid:
            os.chdir(folder)
            os.execvpe(name, _SHELLS[name], {**environ, "TERM": "dumb", "PS1": "> "})  # noqa: S606 - it is the shell
        self._shown = ""

    def type(self, text: str) -> None:
        """Press keys, and forget what was shown before."""
        self._shown = ""
        os.write(self._terminal, text.encode())

    def shows(self, wanted: str) -> bool:
        """Tell whether the terminal comes to show a text, as far as it is no echo of what was typed."""
        end = time.monotonic() + _SECONDS
        while wanted not in _SEQUENCE.sub("", self._shown):
            ready, _, _ = select.select([self._terminal], [], [], max(end - time.monotonic(), 0))
            if not ready:
                return False
            try:
                self._shown += os.read(self._terminal, 1 << 16).decode("utf-8", "replace")
            except OSError:
                return False
        return True

    @property
    def shown(self) -> str:
        """What it showed since keys were pressed last."""
        return _SEQUENCE.sub("", self._shown)

    def close(self) -> None:
        """End it."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)


@pytest.fixture(params=_SHELLS)
def shell(request: pytest.FixtureRequest, installed_program: Installed, tmp_path: Path) -> Iterator[Shell]:
    """A shell that has read its script, in a folder with a file of a name that is not to be mixed up."""
    name = str(request.param)
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    script = installed_program.run("--print-completion-script", name, cwd=tmp_path)
    assert script.returncode == 0, script.stderr
    (tmp_path / "script").write_text(script.stdout)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "zz-key.pem").touch()
    (folder / "tool-1.whl").touch()
    found = Shell(name, folder, installed_program.environ)
    try:
        found.type(f"source {tmp_path}/script; echo all-re''ad\n")
        assert found.shows(_READY), found.shown
        yield found
    finally:
        found.close()


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("ascend-wheelhouse vendored", "vendored "),
        ("ascend-wheelhouse toolch", "toolchain"),
        ("ascend-wheelhouse plan --platf", "--platform"),
        ("ascend-wheelhouse plan --platform aar", "aarch64"),
        ("ascend-wheelhouse plan --platform=aar", "--platform=aarch64"),
        ("ascend-wheelhouse plan --torch 2.8.0 --npu a3 --platform x8", "x86_64"),
        ("ascend-wheelhouse plan --stack torch2.7", "torch2.7.1-cann8.5.0"),
        ("ascend-wheelhouse bundle --sign-key zz", "zz-key.pem"),
        ("ascend-wheelhouse bundle --sign-key=zz", "--sign-key=zz-key.pem"),
        ("ascend-wheelhouse --print-completion-script zz", "zz-key.pem"),
        ("ascend-wheelhouse vendor tool", "tool-1.whl"),
        ("ascend-wheelhouse build --offline sgl-k", "sgl-kernel-npu"),
        ("ascend-wheelhouse vendor \t", "tool-1.whl"),
        ("ascend-wheelhouse plan --platform \t", "aarch64"),
    ],
    ids=[
        "a whole task",
        "a task",
        "an option",
        "a value",
        "a value behind =",
        "a value after others",
        "a stack",
        "a file",
        "a file behind =",
        "before a task",
        "a file without an option",
        "a component",
        "a file of which nothing is typed",
        "a value of which nothing is typed",
    ],
)
def test_tab_completes_what_is_typed(shell: Shell, typed: str, wanted: str) -> None:
    shell.type(f"{typed}\t")
    assert shell.shows(wanted), shell.shown


def test_an_open_quotation_mark_is_answered_with_nothing(
    installed_program: Installed, tmp_path: Path
) -> None:
    words = ("ascend-wheelhouse", "bundle", "--out='my fi")
    done = installed_program.run("--complete", "--", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("option", [("--platform=aarch64",), ("--platform", "aarch64")], ids=" ".join)
def test_a_value_that_is_finished_is_not_completed_again(
    option: tuple[str, ...], installed_program: Installed, tmp_path: Path
) -> None:
    """As the shells hand it over: behind a blank stands a word that is empty yet."""
    words = ("--complete", "--", "ascend-wheelhouse", "plan", *option)
    assert "x86_64" in installed_program.run(*words, cwd=tmp_path).stdout
    done = installed_program.run(*words, "", cwd=tmp_path)
    assert (done.returncode, "x86_64" in done.stdout) == (0, False), done.stdout
    asked = installed_program.run(*words[:4], "--platform", "", cwd=tmp_path)
    assert asked.stdout.split() == ["aarch64", "x86_64"]


def test_a_shell_that_is_not_known_is_told_with_those_that_are(
    installed_program: Installed, tmp_path: Path
) -> None:
    done = installed_program.run("--print-completion-script", "ksh", cwd=tmp_path)
    assert done.returncode == 2
    assert "bash, fish, zsh" in done.stderr
