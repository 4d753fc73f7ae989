"""One environment for whatever uses what was installed: through `install.py` itself, on CANN trees of both layouts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
from cann_tree import CannTree, put
from small_wheelhouse import CELL, Answer, SmallWheelhouse, run_installer

from ascend_wheelhouse.node.probes import api, cann_versions, host_settings

TELL = """\
import json, os
if os.environ.get("USER") == "verify":
    open({path!r}, "w").write(json.dumps(dict(os.environ)))
"""
TORCH = "def compiled_with_cxx11_abi():\n    return True\n"
LISTS = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")


class Node:
    """A node with an Ascend folder, and an environment that is installed on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ascend = CannTree(root=folder / "Ascend")
        self.ascend.root.mkdir()
        self.prefix = folder / "npu"
        self.told = folder / "told.json"
        self.house = folder / "house"

    def install(self, cann: str, *options: str | Path, ascend: Path | None = None) -> Answer:
        """Install a wheelhouse for a CANN; its package `tell` notes the variables of a probe that imports it."""
        wheels = [
            ("tell", "1.0", {"tell/__init__.py": TELL.format(path=str(self.told))}),
            ("torch", "1.0", {"torch/__init__.py": TORCH}),
        ]
        house = SmallWheelhouse(wheels=wheels, cell={**CELL, "cann": cann}, environment={"TASK_QUEUE": "1"})
        if not self.house.exists():
            house.write(self.house)
        named = ("--ascend", ascend or self.ascend.root)
        return self.run(*named, "--insecure-no-signature", *options)

    def run(self, *options: str | Path) -> Answer:
        """Run install.py with this node's prefix."""
        return run_installer(self.house, "--prefix", self.prefix, *options, env={"ASCEND_ROOT": ""})

    def environment(self, *, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables that `run` starts a command with."""
        done = subprocess.run(
            [self.prefix / "run", "env", "-0"],
            env={**os.environ, **(env or {})},
            capture_output=True,
            check=True,
        )
        return dict(item.decode().split("=", 1) for item in done.stdout.split(b"\0") if item)

    def sourced(self, then: str, *, shell: str = "bash", env: Mapping[str, str] | None = None) -> str:
        """Return what a strict shell prints that sources `activate`."""
        script = f'set -eu\n. "{self.prefix}/activate"\n{then}'
        given = {**os.environ, **(env or {})}
        done = subprocess.run(
            [shell, "-c", script, "own"], env=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_cann_8_3_is_sourced_before_bishengs_compiler_nnal_and_the_operators(node: Node) -> None:
    home = node.ascend.toolkit("8.3.RC2")
    node.ascend.nnal("8.3.RC2")
    node.ascend.bisheng()
    node.ascend.operators(home)
    assert node.install("8.3.RC2").status == 0
    made = node.environment()
    assert made["ORDER"].split() == [
        "toolkit:8.3.RC2",
        "compiler:8.5.0/bisheng_toolkit",
        "nnal",
        "operators",
    ]
    latest = node.ascend.root / "ascend-toolkit/latest"
    assert made["ASCEND_HOME_PATH"] == str(latest)
    assert made["ASCEND_CUSTOM_OPP_PATH"] == f"{home}/opp/vendors/customize"
    assert made["ATB_HOME_PATH"].endswith("cxx_abi_1")  # by the torch that was installed


def test_cann_8_5_brings_its_own_compiler_and_bishengs_old_package_is_left_alone(node: Node) -> None:
    home = node.ascend.toolkit("8.5.0")
    node.ascend.paths_of_old(home)
    node.ascend.nnal("8.5.0")
    node.ascend.bisheng()
    assert node.install("8.5.0").status == 0
    made = node.environment()
    assert made["ORDER"].split() == ["toolkit:8.5.0", "compiler:cann-8.5.0/tools/bishengir", "nnal"]
    assert made["PATH"].split(":")[:2] == [f"{home}/tools/bishengir/bin", f"{home}/bin"]
    assert made["LCCL_DETERMINISTIC"] == "0"


@pytest.mark.parametrize("version", ["8.3.RC2", "8.5.0"])
def test_activate_run_env_and_the_probes_have_the_same_environment(node: Node, version: str) -> None:
    node.ascend.toolkit(version)
    node.ascend.nnal(version)
    node.install(version)
    ran = node.environment()
    printed = node.run("--env").facts
    lines = run_lines(node, "--env")
    evaluated = node.sourced("env -0 | tr '\\0' '\\n'").splitlines()
    node.run("--verify", "--only", "imports", "--report", str(node.folder / "report"))
    probed = json.loads(node.told.read_text(encoding="utf-8"))
    ours = {
        name: value
        for name, value in ran.items()
        if name.startswith(("ASCEND", "ATB", "TOOLCHAIN", "TASK_QUEUE", "ORDER", "PYTHONPATH", "LD_"))
    }
    assert len(ours) > 8
    for name, value in ours.items():
        assert printed["variables"][name] == value
        assert f"{name}={value}" in evaluated
        assert f"export {name}=" in lines
        assert probed[name] == value, name
    assert printed["cann"] == version


def run_lines(node: Node, *options: str) -> str:
    words = [sys.executable, "-I", str(node.house / "install.py"), "--prefix", str(node.prefix), *options]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_canns_own_python_is_importable_and_the_folder_one_stands_in_is_not(node: Node, shell: str) -> None:
    home = node.ascend.toolkit("8.3.RC2")
    node.install("8.3.RC2")
    told = node.sourced("python -P -c 'import te, sys; print(te.version, sys.path)'", shell=shell)
    assert told.startswith("8.3.RC2 ")
    entries = node.environment()["PYTHONPATH"].split(":")
    assert [os.path.realpath(entry) for entry in entries] == [
        str(home / "python/site-packages"),
        str(home / "opp/built-in/op_impl/ai_core/tbe"),
    ]


def test_of_two_cann_the_one_that_the_cell_names_is_taken_everywhere(node: Node) -> None:
    node.ascend.toolkit("8.5.0")
    node.ascend.toolkit("8.3.RC2")
    assert node.install("8.3.RC2").status == 0
    assert node.environment()["ORDER"].split() == ["toolkit:8.3.RC2"]
    node.run("--verify", "--only", "imports", "--report", str(node.folder / "report"))
    assert json.loads(node.told.read_text(encoding="utf-8"))["ORDER"].split() == ["toolkit:8.3.RC2"]


@pytest.mark.parametrize("probe", [host_settings, cann_versions])
def test_probes_that_read_the_machine_look_at_the_cells_cann_alone(node: Node, probe: ModuleType) -> None:
    node.ascend.toolkit("8.5.0")
    node.ascend.toolkit("8.3.RC2")
    node.ascend.nnal("8.3.RC2")
    context = api.Context(
        manifest={"cell": {"cann": "8.3.RC2"}},
        options={"npu": True, "ascend": str(node.ascend.root)},
        scratch=node.folder,
        doing=lambda _text: None,
    )
    assert probe.run(context).figures["cann"]["found"] == "8.3.RC2"


def test_two_cann_of_which_none_is_the_cells_are_refused_with_both_versions(node: Node) -> None:
    node.ascend.toolkit("8.5.0")
    node.ascend.toolkit("8.3.RC2")
    refused = node.install("8.2.RC1")
    assert refused.status == 10
    assert "found 8.3.RC2 and 8.5.0, wanted 8.2.RC1" in refused.talk
    assert not node.prefix.exists()


def test_a_second_cann_that_comes_later_is_refused_by_every_entry(node: Node) -> None:
    node.ascend.toolkit("8.5.0")
    assert node.install("8.3.RC2").status == 0  # newer than the cell's: allowed while it is the only one
    node.ascend.toolkit("9.1.0")
    text = f"CANN 8.5.0 and 9.1.0 stand in {node.ascend.root}; the wheelhouse is for 8.3.RC2."
    for words in (["--env"], ["--verify", "--only", "imports"]):
        answer = node.run(*words)
        assert (answer.status, text in answer.talk) == (10, True), words
    started = subprocess.run([node.prefix / "run", "true"], capture_output=True, text=True, check=False)
    assert (started.returncode, text in started.stderr) == (10, True)
    meant = {"ASCEND_ROOT": str(node.ascend.root / "cann-8.5.0")}
    assert node.environment(env=meant)["ORDER"].split()[0] == "toolkit:8.5.0"


def test_one_toolkits_own_folder_may_be_named(node: Node) -> None:
    old = node.ascend.toolkit("8.3.RC2")
    node.ascend.toolkit("8.5.0")
    node.ascend.nnal("8.5.0")
    assert node.install("8.2.RC1", ascend=old).status == 0
    assert node.environment()["ORDER"].split() == ["toolkit:8.3.RC2", "nnal"]


def test_what_another_cann_left_in_the_shell_is_taken_off_the_paths(node: Node) -> None:
    home = node.ascend.toolkit("8.5.0")
    node.install("8.5.0")
    other = node.folder / "elsewhere/cann-9.1.0"
    stale = {
        "ASCEND_HOME_PATH": str(other),
        "LD_LIBRARY_PATH": f"{other}/lib64:/opt/site/lib::.",
        "PATH": f"{other}/bin:{os.environ['PATH']}",
        "PYTHONPATH": f"{other}/python/site-packages:{node.folder}",
    }
    made = node.environment(env=stale)
    assert made["ASCEND_HOME_PATH"] == str(home)
    assert [name for name in LISTS if str(other) in made[name]] == []
    assert made["LD_LIBRARY_PATH"].split(":")[-1] == "/opt/site/lib"
    again = node.environment(env=made)
    assert {name: again[name] for name in LISTS} == {name: made[name] for name in LISTS}


def test_what_lies_beside_cann_in_a_shared_folder_is_none_of_its(node: Node) -> None:
    shared = node.ascend.root  # such as /opt, with a toolkit that is named by its own folder
    home = node.ascend.toolkit("8.5.0")
    put(shared / "site/te.py", "version = 'planted'\n")
    with (home / "set_env.sh").open("a") as script:
        script.write(f"export PYTHONPATH={shared}/site:$PYTHONPATH\n")
    node.install("8.5.0", ascend=home)
    made = node.environment(env={"PATH": f"{shared}/site/bin:{home}/old:{os.environ['PATH']}"})
    assert f"{shared}/site/bin" in made["PATH"].split(":")
    assert f"{home}/old" not in made["PATH"].split(":")
    assert f"{shared}/site" not in made["PYTHONPATH"].split(":")
    assert f"{home}/python/site-packages" in made["PYTHONPATH"].split(":")


def test_modules_from_outside_cann_are_left_out_even_if_canns_script_names_them(node: Node) -> None:
    home = node.ascend.toolkit("8.5.0")
    put(node.folder / "outside/te.py", "version = 'planted'\n")
    (home / "planted").symlink_to(node.folder / "outside")
    with (home / "set_env.sh").open("a") as script:
        script.write(
            f"export PYTHONPATH={home}/planted:{node.folder}/outside:{home}/../../outside:$PYTHONPATH\n"
        )
    node.install("8.5.0")
    assert node.sourced("python -P -c 'import te; print(te.version)'") == "8.5.0"
    assert "planted" not in node.environment()["PYTHONPATH"]


def test_probes_import_nothing_from_where_one_stands_with_cann_there(node: Node, tmp_path: Path) -> None:
    node.ascend.toolkit("8.5.0")
    node.install("8.5.0")
    medium = tmp_path / "medium"
    for name in ("te", "torch", "tell", "json", "sitecustomize"):
        put(medium / f"{name}.py", f"open({str(tmp_path / 'ran')!r}, 'w').write({name!r})\n")
    words = [sys.executable, "-I", str(node.house / "install.py"), "--prefix", str(node.prefix), "--verify"]
    report = ["--only", "imports", "--report", str(tmp_path / "report")]
    done = subprocess.run([*words, *report], cwd=medium, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_script_that_ends_the_shell_is_named(node: Node) -> None:
    node.ascend.toolkit("8.5.0")
    node.install("8.5.0")
    put(node.ascend.root / "nnal/atb/set_env.sh", "exit 4\n")
    answer = node.run("--env")
    assert answer.status == 10
    assert f"{node.ascend.root}/nnal/atb/set_env.sh ended the shell" in answer.talk


def test_a_script_that_sets_another_cann_is_refused(node: Node) -> None:
    home = node.ascend.toolkit("8.5.0")
    node.ascend.toolkit("9.1.0")
    put(home / "set_env.sh", f". {node.ascend.root}/cann-9.1.0/set_env.sh\n")
    node.install("8.5.0")
    answer = node.run("--env")
    assert answer.status == 10
    assert f"sets the variables of {node.ascend.root}/cann-9.1.0, not of {home}" in answer.talk


def test_a_node_without_cann_is_entered_all_the_same(node: Node) -> None:
    node.install("8.5.0")
    assert node.sourced('echo "$TASK_QUEUE $(python -c "import tell; print(1)")"') == "1 1"
    assert "TASK_QUEUE=mine" in node.sourced("env", env={"TASK_QUEUE": "mine"})
