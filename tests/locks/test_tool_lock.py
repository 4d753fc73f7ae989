from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.tool_lock import BadToolLockError, ToolPin, read_tool_lock

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "lockfiles/tool.txt"
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize(("machine", "python"), [("x86_64", "3.11"), ("aarch64", "3.11"), ("x86_64", "3.12")])
def test_the_lock_of_the_program_holds_what_it_declares(declared: str, machine: str, python: str) -> None:
    """`nox -s tool_lock` fixes it."""
    pins = {pin.name: pin for pin in read_tool_lock(LOCK, Target.named(machine, python=python))}
    requirement = Requirement(declared)
    assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)].version, prereleases=True)


def test_the_lock_names_no_host() -> None:
    assert "://" not in LOCK.read_text("utf-8")


def test_what_a_host_does_not_need_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "tool.txt"
    path.write_text(
        f"here==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"
        f"there==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:{A}\n"
        f"Arm_Only==3.0 ; platform_machine == 'aarch64' \\\n    --hash=sha256:{B}\n"
    )
    here = ToolPin(name="here", version="1.0", digests=frozenset({A, B}))
    arm = ToolPin(name="arm-only", version="3.0", digests=frozenset({B}))
    assert read_tool_lock(path, Target.named("x86_64")) == [here]
    assert read_tool_lock(path, Target.named("aarch64")) == [here, arm]


@pytest.mark.parametrize(
    "text",
    ["plain==1.0\n", f"range>=1.0 \\\n    --hash=sha256:{A}\n", f"not a pin \\\n    --hash=sha256:{A}\n", ""],
)
def test_what_is_no_hashed_pin_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tool.txt").write_text(text)
    with pytest.raises(BadToolLockError) as caught:
        read_tool_lock(tmp_path / "tool.txt", Target.named("x86_64"))
    assert caught.value.exit_code == 2
    assert "nox -s tool_lock" in caught.value.next_step
