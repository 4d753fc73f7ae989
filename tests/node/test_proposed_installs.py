"""What a message proposes for an environment is what a person would have to type."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.signing import generate_key
from ascend_wheelhouse.node.trust.signature import trusted_fingerprints


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


def test_after_a_change_of_keys_the_new_one_is_proposed_once_its_bundle_was_proven(tmp_path: Path) -> None:
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    changed = []
    for name in ("old", "new", "new"):
        if not (tmp_path / name).exists():
            generate_key(tmp_path / name)
        out = tmp_path / f"{name}.tar"
        bundle_command(house, out=out, sign_key=tmp_path / name, serial=1, allow_incomplete=True)
        answer = run_installer(
            house, "--bundle", out, "--prefix", prefix, "--trusted-key", tmp_path / f"{name}.pub"
        )
        assert answer.status == 0, answer.talk
        changed.append(answer.facts["changed"])
    assert changed == [True, True, False]
    assert run_installer(house, "--prefix", prefix, "--check").status == 0
    (prefix / "current/extra").touch()
    told = run_installer(house, "--prefix", prefix, "--check")
    new = trusted_fingerprints(tmp_path / "new.pub")
    assert told.facts["next"].split()[-1] in new
    assert [one.name for one in (prefix / "envs").iterdir()] == ["0001"]
