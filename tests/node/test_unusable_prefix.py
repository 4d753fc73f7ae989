"""Signs in the name of a prefix: what a shell, PATH or uv would take for something else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer

UNSIGNED = "--insecure-no-signature"


@pytest.fixture
def plain_house(tmp_path: Path) -> Path:
    return SmallWheelhouse(wheels=[package("alpha")]).write(tmp_path / "house")


@pytest.mark.parametrize("sign", [":", '"', "`", "$"])
def test_a_prefix_in_which_no_environment_works_is_refused_before_anything_is_written(
    plain_house: Path, tmp_path: Path, sign: str
) -> None:
    """With a quote it was installed, said to be, and `activate` ended in a syntax error."""
    prefix = tmp_path / f"a{sign}b/npu"
    answer = run_installer(plain_house, "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["error"]) == (2, "UnusablePrefixError"), answer.talk
    assert f"{prefix} has a {sign} in its name" in answer.facts["what"]
    assert not prefix.parent.exists()


@pytest.mark.parametrize(
    ("sign", "program"), [("#", "uv"), ("#", "pip"), (",", "uv"), (";*'é \\%", "uv"), (";*'é \\%", "pip")]
)
def test_a_prefix_with_other_signs_holds_an_environment_that_runs(
    plain_house: Path, tmp_path: Path, sign: str, program: str
) -> None:
    prefix = tmp_path / f"a{sign}b"
    answer = run_installer(plain_house, "--prefix", prefix, UNSIGNED, "--installer", program)
    assert answer.status == 0, answer.talk
    assert run_in(prefix, "python", "-c", "import alpha; print(alpha.version)") == "1.0"
    sourced = ["bash", "-c", '. "$1/activate" && python -c "import alpha"', "bash", str(prefix)]
    assert subprocess.run(sourced, check=False).returncode == 0
    assert run_installer(plain_house, "--prefix", prefix, "--check").status == 0


@pytest.mark.parametrize("made", [Path.touch, Path.mkdir], ids=["file", "folder"])
def test_what_a_person_put_below_a_prefix_stays_whatever_its_name(
    plain_house: Path, tmp_path: Path, made: type
) -> None:
    prefix = tmp_path / "npu"
    assert run_installer(plain_house, "--prefix", prefix, UNSIGNED).status == 0
    made(prefix / "serve.conf.new")
    for words in ((UNSIGNED,), (UNSIGNED, "--reinstall"), ("--rollback",)):
        answer = run_installer(plain_house, "--prefix", prefix, *words)
        assert answer.status == 0, answer.talk
        assert (prefix / "serve.conf.new").exists()
