"""What a message proposes for an environment is what a person would have to type."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.signing import generate_key


@pytest.mark.parametrize("name", ["nosuch", "house"])
def test_a_mistyped_environment_is_told_as_that_and_no_install_is_proposed(tmp_path: Path, name: str) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    answer = run_installer(house, "--env", "--environment", tmp_path / name)
    assert (answer.status, answer.facts["error"]) == (2, "NotAnEnvironmentError"), answer.talk
    assert "--reinstall" not in answer.talk


def test_the_command_for_a_changed_environment_names_the_key_that_it_was_installed_with(
    tmp_path: Path,
) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    key, prefix = generate_key(tmp_path / "key"), tmp_path / "npu"
    made = bundle_command(
        house, out=tmp_path / "b.tar", sign_key=tmp_path / "key", serial=1, allow_incomplete=True
    )
    words = ("--bundle", made.paths[0], "--prefix", prefix)
    assert run_installer(house, *words, "--trusted-key", tmp_path / "key.pub").status == 0
    (prefix / "current/bin/python").unlink()
    answer = run_installer(house, "--prefix", prefix, "--check")
    assert answer.status == 5
    assert answer.facts["next"].endswith(f"--prefix {prefix} --reinstall --trusted-key {key.fingerprint}")
