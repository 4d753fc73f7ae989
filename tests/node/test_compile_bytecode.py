"""`install.py --compile-bytecode`: modules are compiled once, for users who may not write beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer

from ascend_wheelhouse.node.install import bytecode
from ascend_wheelhouse.node.install.command import DiskFilledError, InstallCommandFailedError

UNSIGNED = "--insecure-no-signature"
CHECKED_HASH = 3
NO_PYTHON = package("templates", "1.0", form__py="class {name}:\n")


def compiled(prefix: Path) -> dict[str, int]:
    """Return the flags of each compiled module of the environment in use, by its path in `site-packages`."""
    found = prefix.joinpath("current").resolve().glob("lib/python*/site-packages/**/*.pyc")
    return {
        f"{path.parts[-3]}/{path.name.partition('.')[0]}": int.from_bytes(path.read_bytes()[4:8], "little")
        for path in found
    }


def test_modules_are_compiled_and_held_to_the_digest_of_their_source(tmp_path: Path) -> None:
    house = SmallWheelhouse(wheels=[package("alpha"), NO_PYTHON]).write(tmp_path / "house")
    prefix = tmp_path / "npu"
    answer = run_installer(house, "--prefix", prefix, UNSIGNED, "--compile-bytecode")
    assert answer.status == 0, answer.talk
    assert "compiled 2 modules" in answer.talk
    assert compiled(prefix) == {"alpha/__init__": CHECKED_HASH, "templates/__init__": CHECKED_HASH}
    assert "SyntaxError" in (prefix / "install.log").read_text()
    assert run_installer(house, "--prefix", prefix, "--check").status == 0
    (module,) = prefix.joinpath("current").resolve().glob("lib/python*/site-packages/alpha/__init__.py")
    module.write_text("version = 'edited'\n")
    assert run_in(prefix, "python", "-c", "import alpha; print(alpha.version)") == "edited"


def test_it_is_one_of_the_things_that_are_asked_of_an_environment(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    prefix = tmp_path / "npu"
    given = ("--prefix", prefix, UNSIGNED)
    for words, changed in (
        ((), True),
        (("--compile-bytecode",), True),
        (("--compile-bytecode",), False),
        ((), False),
    ):
        answer = run_installer(house, *given, *words)
        assert (answer.status, answer.facts["changed"]) == (0, changed), answer.talk
    assert compiled(prefix)
    assert json.loads((prefix / "current/receipt.json").read_text())["compiled"] is True
    next(prefix.joinpath("current").resolve().glob("lib/python*/site-packages/alpha/__init__.py")).unlink()
    told = run_installer(house, "--prefix", prefix, "--check")
    assert told.status == 5
    assert told.facts["next"].endswith(f"--prefix {prefix} --reinstall --compile-bytecode")


def test_a_dry_run_names_it(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    words = [sys.executable, "-I", str(house / "install.py"), "--prefix", str(tmp_path / "npu"), UNSIGNED]
    told = subprocess.run(
        [*words, "--compile-bytecode", "--dry-run"], capture_output=True, text=True, check=True
    ).stdout
    assert "- compile their modules\n" in told
    assert not (tmp_path / "npu").exists()


@pytest.mark.parametrize(
    ("says", "status", "error"),
    [
        ("*** OSError: [Errno 28] No space left on device", 1, DiskFilledError),
        ("Killed", 137, InstallCommandFailedError),
    ],
)
def test_a_compiler_that_was_cut_short_is_told(
    says: str, status: int, error: type[InstallCommandFailedError], tmp_path: Path
) -> None:
    python = tmp_path / "env/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    python.chmod(0o755)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (tmp_path / f"env/lib/{version}/site-packages").mkdir(parents=True)
    with pytest.raises(InstallCommandFailedError) as told:
        bytecode.compile_all(tmp_path / "env", tmp_path / "install.log")
    assert type(told.value) is error
