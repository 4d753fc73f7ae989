from __future__ import annotations

import os
from pathlib import Path

import pytest
from cann_tree import CannTree
from small_wheelhouse import CELL, MACHINE, SmallWheelhouse, run_installer

NPU_CELL = {**CELL, "npu": "a3"}
TOOLKIT = f"Ascend-cann-toolkit_8.3.RC2_linux-{MACHINE}.run"
KERNELS = f"Atlas-A3-cann-kernels_8.3.RC2_linux-{MACHINE}.run"
NNAL = f"Ascend-cann-nnal_8.3.RC2_linux-{MACHINE}.run"
BISHENG = f"Ascend-BiSheng-toolkit_{MACHINE}_20251121.run"
OTHER = {"aarch64": "x86_64", "x86_64": "aarch64"}[MACHINE]
CUSTOM = f"CANN-custom_ops-8.2.0.0-a3-linux.{MACHINE}.run"
SCRIPT = """\
#!/bin/sh
name=$(basename "$0" | cut -d_ -f1)
echo "$name $*" >> {calls}
case "$1" in --check) exit {check} ;; esac
case "$name" in
Ascend-cann-toolkit)
    mkdir -p {ascend}/ascend-toolkit/latest
    echo 'export ASCEND_HOME_PATH=set' > {ascend}/ascend-toolkit/set_env.sh ;;
*) [ -n "$ASCEND_HOME_PATH" ] || exit 9 ;;
esac
"""


class Node:
    """A made-up Ascend folder, and packages that note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.ascend = folder / "Ascend"
        self.log = folder / "calls"
        self.folder = folder

    def install(self, *names: str, cell: dict[str, str] | None = None, check: int = 0) -> tuple[int, str]:
        """Install a wheelhouse with these packages; return the exit code and all that was said."""
        text = SCRIPT.format(calls=self.log, ascend=self.ascend, check=check)
        number = len(list(self.folder.glob("house*")))
        house = SmallWheelhouse(payloads=dict.fromkeys(names, text), cell=cell or NPU_CELL)
        options = ("--payloads", "--ascend", self.ascend, "--prefix", self.folder / "npu")
        answer = run_installer(
            house.write(self.folder / f"house{number}"), "--insecure-no-signature", *options
        )
        return answer.status, answer.talk

    @property
    def calls(self) -> list[str]:
        """The calls of all packages so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_packages_are_checked_first_and_installed_in_order(node: Node) -> None:
    status, talk = node.install(NNAL, CUSTOM, BISHENG, KERNELS, TOOLKIT)
    assert status == 0, talk
    everybody = "--install-for-all " if os.geteuid() == 0 else ""
    path = f"--install-path={node.ascend}"
    checks, installs = node.calls[:5], node.calls[5:]
    assert all(call.endswith(" --check") for call in checks)
    assert installs == [
        f"Ascend-cann-toolkit --quiet --install --force {everybody}{path}",
        f"Atlas-A3-cann-kernels --quiet --install --force {everybody}{path}",
        f"Ascend-cann-nnal --quiet --install {everybody}{path}",
        f"Ascend-BiSheng-toolkit --install {path}",
        f"CANN-custom --quiet --install-path={node.ascend}/ascend-toolkit/latest/opp",
    ]


def test_nothing_is_installed_twice(node: Node) -> None:
    node.install(TOOLKIT)
    before = node.calls
    status, talk = node.install(TOOLKIT)
    assert status == 0, talk
    assert node.calls == before


def test_a_toolkit_that_stands_there_is_left_alone(node: Node) -> None:
    info = node.ascend / f"ascend-toolkit/latest/{MACHINE}-linux/ascend_toolkit_install.info"
    info.parent.mkdir(parents=True)
    info.write_text("package_name=Ascend-cann-toolkit\nversion=8.3.RC2\n")
    assert node.install(TOOLKIT)[0] == 0
    assert node.calls == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (TOOLKIT.replace("8.3.RC2", "8.5.0"), "version 8.5.0, the cell has 8.3.RC2"),
        (KERNELS.replace("Atlas-A3-cann-kernels", "Ascend-cann-kernels-910b"), "chip 910b, the cell has a3"),
        (NNAL.replace(MACHINE, OTHER), f"machine {OTHER}, this node has"),
        (CUSTOM.replace("a3", "910b"), "chip 910b, the cell has a3"),
    ],
)
def test_a_package_that_does_not_fit_stops_all_before_anything_is_touched(
    node: Node, name: str, told: str
) -> None:
    status, talk = node.install(TOOLKIT, name)
    assert status == 5
    assert told in talk
    assert node.calls == []
    assert not (node.folder / "npu").exists()


def test_beside_another_cann_operators_go_into_the_one_that_the_cell_names(node: Node) -> None:
    tree = CannTree(root=node.ascend)
    tree.toolkit("8.3.RC2")
    tree.toolkit("8.5.0")
    status, talk = node.install(CUSTOM, TOOLKIT)
    assert status == 0, talk
    path = f"--install-path={node.ascend}/ascend-toolkit/latest/opp"
    assert node.calls == ["CANN-custom --check", f"CANN-custom --quiet {path}"]


def test_a_package_that_finds_itself_damaged_stops_all_before_the_first_install(node: Node) -> None:
    status, _ = node.install(TOOLKIT, NNAL, check=1)
    assert status == 10
    assert [call.split()[-1] for call in node.calls] == ["--check"]
    assert not (node.folder / "npu/current").exists()


def test_an_unknown_package_is_refused(node: Node) -> None:
    status, talk = node.install("something.run")
    assert status == 5
    assert "something.run is not a payload that this wheelhouse knows." in talk
