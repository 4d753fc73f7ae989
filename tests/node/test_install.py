from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from small_wheelhouse import CELL, SmallWheelhouse, package, run_in, run_installer, seal

from ascend_wheelhouse.cells.recipe import PostInstall

UNSIGNED = "--insecure-no-signature"
VERSION = "import alpha; print(alpha.version)"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return SmallWheelhouse(wheels=[package("alpha"), package("beta", "2.0")]).write(tmp_path / "house")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "npu"


def test_the_wheels_are_importable_through_run(house: Path, prefix: Path) -> None:
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts.get("changed")) == (0, True), answer.talk
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"
    assert run_in(prefix, "python", "-c", "import beta; print(beta.version)") == "2.0"


def test_a_folder_whose_name_only_looks_like_a_number_is_passed_over(house: Path, prefix: Path) -> None:
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    for name in ("\u00b2", "\u0663"):
        (prefix / "envs" / name).mkdir()
    assert run_installer(house, "--prefix", prefix, UNSIGNED, "--reinstall").status == 0
    assert (prefix / "current").resolve().name == "0002"


def test_the_end_tells_what_the_node_and_the_wheelhouse_still_lack(tmp_path: Path, prefix: Path) -> None:
    pending = [{"component": "cann-toolkit", "reason": "no origin answered", "supply": "invoke vendor FILE"}]
    house = SmallWheelhouse(pending=pending).write(tmp_path / "house")
    words = (sys.executable, "-I", house / "install.py", "--prefix", prefix, UNSIGNED, "--ascend", tmp_path)
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "\nIt still takes, to serve on NPUs:\n" in said
    assert "- cann: found none, wanted >= 8.3.RC2\n" in said
    assert said.endswith(f"- cann-toolkit: not in this wheelhouse\n\nNext: . {prefix}/activate\n")


def test_a_uv_that_lies_among_the_wheels_installs_them(house: Path, prefix: Path) -> None:
    head = {
        key: value
        for key, value in json.loads((house / "manifest.json").read_text()).items()
        if key != "files"
    }
    (uv,) = (house / "tools").glob("uv-*.whl")
    uv.rename(house / "wheels" / uv.name)
    (house / "tools").rmdir()
    seal(house, head)
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    receipt = json.loads((prefix / "current/receipt.json").read_text())
    assert receipt["installer"] == f"uv of {uv.name}"


def test_a_second_run_changes_nothing(house: Path, prefix: Path) -> None:
    first = run_installer(house, "--prefix", prefix, UNSIGNED)
    second = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert (second.status, second.facts["changed"]) == (0, False)
    assert second.facts["environment"] == first.facts["environment"]


def test_a_changed_environment_is_found_and_installed_afresh(house: Path, prefix: Path) -> None:
    run_installer(house, "--prefix", prefix, UNSIGNED)
    assert run_installer(house, "--prefix", prefix, "--check").status == 0
    victim = next((prefix / "current").glob("lib/python3.*/site-packages/alpha/__init__.py"))
    victim.unlink()
    victim.write_text("version = 'evil'\n")
    answer = run_installer(house, "--prefix", prefix, "--check")
    assert answer.status == 5
    assert "changed: lib/python3." in answer.facts["why"]
    assert run_installer(house, "--prefix", prefix, UNSIGNED).facts["changed"] is True
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"


def test_an_entry_that_no_longer_leads_in_is_told_and_put_back(house: Path, prefix: Path) -> None:
    run_installer(house, "--prefix", prefix, UNSIGNED)
    (prefix / "activate").unlink()
    (prefix / "run").unlink()
    (prefix / "run").write_text("another program\n")
    answer = run_installer(house, "--prefix", prefix, "--check")
    assert (answer.status, answer.facts["error"]) == (5, "EnvironmentChangedError")
    assert answer.facts["what"].startswith(f"{prefix} lacks links into {prefix}/envs/0001: activate, run.")
    assert run_installer(house, "--prefix", prefix, UNSIGNED).facts["changed"] is True
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"
    assert (prefix / "activate").is_file()
    assert run_installer(house, "--prefix", prefix, "--check").status == 0
    assert run_installer(house, "--prefix", prefix, UNSIGNED).facts["changed"] is False


@pytest.mark.parametrize("kind", ["missing", "extra"])
def test_a_missing_or_an_extra_file_is_told(house: Path, prefix: Path, kind: str) -> None:
    run_installer(house, "--prefix", prefix, UNSIGNED)
    site = next((prefix / "current").glob("lib/python3.*/site-packages"))
    if kind == "missing":
        (site / "alpha/__init__.py").unlink()
    else:
        (site / "alpha/more.py").touch()
    answer = run_installer(house, "--prefix", prefix, "--check")
    assert answer.status == 5
    assert f"{kind}: lib/python3." in answer.facts["why"]


def test_byte_code_is_not_a_change(house: Path, prefix: Path) -> None:
    run_installer(house, "--prefix", prefix, UNSIGNED)
    run_in(prefix, "python", "-m", "compileall", "-q", f"{prefix}/current/lib")
    assert list((prefix / "envs").rglob("*.pyc"))
    assert run_installer(house, "--prefix", prefix, "--check").status == 0


def test_the_receipt_tells_what_and_from_where(house: Path, prefix: Path) -> None:
    run_installer(house, "--prefix", prefix, UNSIGNED)
    facts = json.loads((prefix / "current/receipt.json").read_text())
    assert facts["stack"] == "small"
    assert facts["distributions"] == ["alpha-1.0", "beta-2.0"]
    assert facts["cell"]["cann"] == "8.3.RC2"
    assert all(len(digest) == 64 or digest.startswith("link:") for digest in facts["files"].values())
    assert {"pyvenv.cfg", "activate", "run"} <= facts["files"].keys()


def test_rollback_goes_to_the_environment_before(house: Path, prefix: Path, tmp_path: Path) -> None:
    newer = SmallWheelhouse(wheels=[package("alpha", "2.0")]).write(tmp_path / "newer")
    run_installer(house, "--prefix", prefix, UNSIGNED)
    run_installer(newer, "--prefix", prefix, UNSIGNED)
    assert run_in(prefix, "python", "-c", VERSION) == "2.0"
    assert run_installer(newer, "--prefix", prefix, "--rollback").status == 0
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"
    assert run_installer(newer, "--prefix", prefix, "--rollback").status == 2


def test_two_environments_are_kept_and_no_more(house: Path, prefix: Path) -> None:
    for _ in range(3):
        run_installer(house, "--prefix", prefix, UNSIGNED, "--reinstall")
    assert sorted(folder.name for folder in (prefix / "envs").iterdir()) == ["0002", "0003"]


def test_uninstall_leaves_nothing(house: Path, prefix: Path) -> None:
    run_installer(house, "--prefix", prefix, UNSIGNED)
    assert run_installer(house, "--prefix", prefix, "--uninstall").facts == {"changed": True, "left": []}
    assert not prefix.exists()
    assert run_installer(house, "--prefix", prefix, "--uninstall").facts == {"changed": False, "left": []}


def test_a_folder_of_somebody_else_is_left_alone(house: Path, prefix: Path) -> None:
    prefix.mkdir()
    (prefix / "thesis.txt").write_text("dear")
    for action in ("--uninstall", UNSIGNED):
        assert run_installer(house, "--prefix", prefix, action).status == 2
    assert (prefix / "thesis.txt").read_text() == "dear"


def test_a_dry_run_writes_nothing(house: Path, prefix: Path) -> None:
    answer = run_installer(house, "--prefix", prefix, UNSIGNED, "--dry-run")
    assert (answer.status, answer.facts["changed"]) == (0, False)
    assert not prefix.exists()


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        ("changed", "ChangedFileError"),
        ("missing", "MissingMemberError"),
        ("not listed", "ExtraMemberError"),
        ("symlink", "HostilePathError"),
    ],
)
def test_a_damaged_wheelhouse_is_refused_before_anything_is_written(
    house: Path, prefix: Path, damage: str, error: str
) -> None:
    wheel = next((house / "wheels").glob("alpha*"))
    if damage == "changed":
        wheel.write_bytes(wheel.read_bytes()[::-1])
    elif damage == "missing":
        wheel.unlink()
    elif damage == "symlink":
        (house / "wheels/x.whl").symlink_to(wheel)
    else:
        shutil.copy(wheel, house / "wheels/x.whl")
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["error"]) == (5, error)
    assert not prefix.exists()


def test_an_older_serial_is_refused_unless_allowed(prefix: Path, tmp_path: Path) -> None:
    newer = SmallWheelhouse(serial=7).write(tmp_path / "newer")
    older = SmallWheelhouse(serial=6, stack="older").write(tmp_path / "older")
    assert run_installer(newer, "--prefix", prefix, UNSIGNED).status == 0
    answer = run_installer(older, "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["error"]) == (5, "OlderSerialError")
    assert run_installer(older, "--prefix", prefix, UNSIGNED, "--allow-rollback").status == 0


@pytest.mark.parametrize(("name", "value"), [("machine", "sparc"), ("python", "3.1"), ("glibc", "99.0")])
def test_a_node_that_cannot_run_it_is_refused(prefix: Path, tmp_path: Path, name: str, value: str) -> None:
    house = SmallWheelhouse(cell={**CELL, name: value}).write(tmp_path / "house")
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert answer.status == 10
    assert answer.facts["what"] == f"This node does not fit the wheelhouse: {name}."
    assert not prefix.exists()


def test_the_deep_ep_extension_is_linked_beside_its_package(prefix: Path, tmp_path: Path) -> None:
    step = {
        "component": "deep-ep",
        "action": "symlink",
        "path": "deep_ep_cpp.so",
        "target": "deep_ep/deep_ep_cpp*.so",
    }
    files = {"deep_ep/__init__.py": "", "deep_ep/deep_ep_cpp.cpython-311.so": "elf"}
    house = SmallWheelhouse(wheels=[("deep_ep", "1.0", files)], post_install=[step]).write(tmp_path / "house")
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    link = next((prefix / "current").glob("lib/python3.*/site-packages/deep_ep_cpp.so"))
    assert os.fspath(link.readlink()) == "deep_ep/deep_ep_cpp.cpython-311.so"
    assert run_installer(house, "--prefix", prefix, "--check").status == 0


@pytest.mark.parametrize("path", ["../../../evil.so", "/tmp/evil.so"])  # noqa: S108 - a hostile path
def test_a_step_that_leaves_the_environment_is_refused(prefix: Path, tmp_path: Path, path: str) -> None:
    step = {"component": "x", "action": "symlink", "path": path, "target": "alpha/*.py"}
    house = SmallWheelhouse(post_install=[step]).write(tmp_path / "house")
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["error"]) == (2, "UnknownActionError")
    assert not (prefix / "current").exists()


def test_every_step_that_a_recipe_can_ask_for_is_known_on_a_node(prefix: Path, tmp_path: Path) -> None:
    actions = get_args(PostInstall.model_fields["action"].annotation)
    steps = [{"component": "x", "action": each, "path": "x.so", "target": "x/*.so"} for each in actions]
    house = SmallWheelhouse(post_install=steps).write(tmp_path / "house")
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0


def test_triton_over_triton_ascend_is_refused(prefix: Path, tmp_path: Path) -> None:
    ours = ("triton_ascend", "3.2.0", {"triton/__init__.py": "ascend = True\n"})
    foreign = ("triton", "3.4.0", {"triton/__init__.py": "ascend = False\n"})
    house = SmallWheelhouse(wheels=[ours, foreign]).write(tmp_path / "house")
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["error"]) == (5, "BrokenTritonError")
    assert not (prefix / "current").exists()


def test_triton_ascend_comes_last_where_another_wheel_wrote_over_it(prefix: Path, tmp_path: Path) -> None:
    ours = ("triton_ascend", "3.2.0", {"triton/__init__.py": "ascend = True\n"})
    careless = ("xcareless", "1.0", {"triton/__init__.py": "ascend = False\n"})
    house = SmallWheelhouse(wheels=[ours, careless]).write(tmp_path / "house")
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert answer.status == 0, answer.talk
    assert run_in(prefix, "python", "-c", "import triton; print(triton.ascend)") == "True"
    assert run_installer(house, "--prefix", prefix, "--check").status == 0


def test_custom_ops_of_the_other_chip_are_refused(prefix: Path, tmp_path: Path) -> None:
    wheel = package("custom_ops", "1.0.910b0")
    house = SmallWheelhouse(wheels=[wheel], cell={**CELL, "npu": "a3"}).write(tmp_path / "house")
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert (answer.status, answer.facts["error"]) == (5, "WrongChipError")


def test_pip_installs_the_same_where_the_wheelhouse_has_no_uv(house: Path, prefix: Path) -> None:
    shutil.rmtree(house / "tools")
    head = json.loads((house / "manifest.json").read_text())
    seal(house, head)
    answer = run_installer(house, "--prefix", prefix, UNSIGNED)
    assert answer.status == 0, answer.talk
    assert run_in(prefix, "python", "-c", VERSION) == "1.0"
    assert run_installer(house, "--prefix", prefix, "--check").status == 0


def test_settings_of_the_user_do_not_steer_the_install(house: Path, prefix: Path) -> None:
    hostile = {
        "UV_INDEX_URL": "http://127.0.0.1:1/",
        "PIP_INDEX_URL": "http://127.0.0.1:1/",
        "UV_NO_BINARY": "1",
    }
    assert run_installer(house, "--prefix", prefix, UNSIGNED, env=hostile).status == 0


def test_the_installer_says_that_it_needs_a_prefix(house: Path) -> None:
    program = f"python{sys.version_info.major}.{sys.version_info.minor} -I install.py"
    said = run_installer(house, "--bundle", "a b.tar").facts["next"]
    assert said.startswith(f"{program} --prefix /opt/sglang-npu ")
    assert "--bundle 'a b.tar'" in said


def test_an_installer_without_its_wheelhouse_names_the_bundle_beside_it(house: Path, tmp_path: Path) -> None:
    """So it is after `tar -xf BUNDLE.tar install.py`: the command to type has the bundle's own name."""
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copyfile(house / "install.py", alone / "install.py")
    words = (sys.executable, "-I", "install.py", "--prefix", tmp_path / "npu")
    said = subprocess.run(words, cwd=alone, capture_output=True, text=True, check=False)
    assert "-I install.py --bundle BUNDLE.tar --prefix" in said.stderr
    (alone / "sglang one.tar").write_bytes(b"")
    said = subprocess.run(words, cwd=alone, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert f"-I install.py --bundle 'sglang one.tar' --prefix {tmp_path / 'npu'}\n" in said.stderr


def test_a_disk_that_fails_is_told_without_a_traceback(house: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    answer = run_installer(house, "--prefix", blocked / "npu", UNSIGNED)
    assert answer.status == 10
    assert "Traceback" not in answer.talk


def test_what_is_installed_can_be_read_by_every_user(house: Path, prefix: Path) -> None:
    before = os.umask(0o077)
    try:
        run_installer(house, "--prefix", prefix, UNSIGNED)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o444 for path in (prefix / "current/").rglob("*") if path.is_file()}
    assert modes == {0o444}


def test_a_folder_of_cann_that_is_not_there_is_not_noted_for_later(
    house: Path, prefix: Path, tmp_path: Path
) -> None:
    words = ("--prefix", prefix, UNSIGNED, "--ascend", tmp_path / "no such")
    answer = run_installer(house, *words)
    assert (answer.status, answer.facts["error"]) == (2, "NoAscendFolderError")
    assert answer.facts["next"].startswith(f"mkdir -p '{tmp_path / 'no such'}'")
    assert not prefix.exists()
    assert run_installer(house, *words, "--payloads", "--dry-run").status == 0


@pytest.mark.parametrize("action", ["--doctor", "--env", "--verify"])
def test_no_action_takes_a_folder_of_cann_that_is_not_there(
    house: Path, prefix: Path, tmp_path: Path, action: str
) -> None:
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    answer = run_installer(house, "--prefix", prefix, "--ascend", tmp_path / "no such", action)
    assert (answer.status, answer.facts["error"]) == (2, "NoAscendFolderError")
    assert answer.facts["next"].startswith("correct the path")
