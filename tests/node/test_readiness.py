"""What serving takes besides the cell's versions, on made-up nodes."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ascend_wheelhouse.node.host import doctor, pythons, readiness
from ascend_wheelhouse.node.host.fitness import HostFinding
from ascend_wheelhouse.node.host.host import read_host
from ascend_wheelhouse.node.host.requirement import split_requirement, within
from ascend_wheelhouse.node.install import options
from ascend_wheelhouse.node.reading.contents import Contents, Entry

RUNNABLE = {
    *(
        "apt-get",
        "bash",
        "df",
        "echo",
        "grep",
        "invoke",
        "ldd",
        "ls",
        "lsmod",
        "lspci",
        "mkdir",
        "mount",
        "npu-smi",
        "numactl",
        pythons.PROGRAM,
    ),
    *("sh", "sysctl", "tee", "ulimit", "/usr/local/Ascend/driver/tools/hccn_tool"),
}
NEEDS = {"hdk": ["25.2", "25.3"], "python": ["numpy>=1.19.2,<2", "protobuf==3.20.*"], "source": "a page"}


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node of two devices with a driver and a tool that tells the state of their links."""
    folder = tmp_path / "root"
    tool = "usr/local/Ascend/driver/tools/hccn_tool"
    state = 'case "$2" in 1) echo "link status: DOWN" ;; *) echo "link status: UP" ;; esac'
    put(
        folder,
        **{
            tool: f'#!/bin/sh\n[ "$3 $4" = "-link -g" ] || exit 1\n{state}\n',
            "usr/local/Ascend/driver/version.info": "Version=25.3.rc1\n",
            "usr/bin/g++": "#!/bin/sh\necho 12.3.0\n",
            "proc/meminfo": "HugePages_Total:    4\n",
            "proc/self/limits": "Max locked memory         65536                unlimited            bytes\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "dev/davinci0": "",
            "dev/davinci1": "",
        },
    )
    for name in (tool, "usr/bin/g++"):
        (folder / name).chmod(0o755)
    return folder


def wheelhouse(*files: Entry, **node: Any) -> Contents:  # noqa: ANN401 - any part of what a manifest says
    return Contents(digest="0", stack="s", platform="aarch64", files=files, node={**NEEDS, **node})


def wheel(name: str, version: str) -> Entry:
    return Entry(path=f"wheels/{name}.whl", size=1, sha256="0", kind="wheel", name=name, version=version)


def examined(root: Path, contents: Contents | None = None) -> dict[str, HostFinding]:
    return {finding.name: finding for finding in doctor.examine(read_host(root), contents)}


def test_a_compiler_for_tritons_launchers_is_looked_for_and_its_age_told(root: Path) -> None:
    assert (examined(root)["c++ compiler"].level, examined(root)["c++ compiler"].found[-6:]) == (
        "ok",
        "12.3.0",
    )
    put(root, **{"usr/bin/g++": "#!/bin/sh\necho 4.8.5\n"})
    assert examined(root)["c++ compiler"].level == "warn"
    (root / "usr/bin/g++").unlink()
    missing = examined(root)["c++ compiler"]
    assert (missing.level, missing.command) == ("warn", "sudo apt-get install -y g++")
    put(root, **{"usr/bin/dnf": ""})
    assert examined(root)["c++ compiler"].command == "sudo dnf install -y gcc-c++"


@pytest.mark.parametrize(("version", "level"), [("25.3.rc1", "ok"), ("25.2.3", "ok"), ("24.1.0", "warn")])
def test_the_driver_is_held_to_the_releases_that_the_cells_cann_is_stated_for(
    root: Path, version: str, level: str
) -> None:
    put(root, **{"usr/local/Ascend/driver/version.info": f"Version={version}\n"})
    found = examined(root, wheelhouse())["driver release"]
    assert (found.level, found.wanted) == (level, "HDK 25.2, 25.3")
    assert "driver release" not in examined(root, wheelhouse(hdk=[]))


def test_packages_of_canns_own_tools_are_held_to_what_cann_asks(root: Path) -> None:
    wheels = (wheel("numpy", "2.4.6"), wheel("protobuf", "6.33.6"))
    found = examined(root, wheelhouse(*wheels))["python of cann"]
    assert (found.level, found.found) == ("warn", "numpy 2.4.6, protobuf 6.33.6")
    assert found.wanted == "numpy>=1.19.2,<2, protobuf==3.20.*"
    assert "a page" in found.why
    good = wheelhouse(wheel("numpy", "1.26.4"), wheel("protobuf", "3.20.3"))
    assert examined(root, good)["python of cann"].level == "ok"
    silent = examined(root, wheelhouse(*wheels, python=[]))["python of cann"]
    assert (silent.level, silent.wanted) == ("ok", "upstream names no bound")


@pytest.mark.parametrize(
    ("version", "bounds", "held"),
    [
        ("1.26.4", ">=1.19.2,<2", True),
        ("2.0.0", ">=1.19.2,<2.0", False),
        ("1.24", "<=1.24", True),
        ("1.24.4", "<=1.24", False),
        ("3.20.3", "==3.20.*", True),
        ("3.2", "==3.20.*", False),
        ("2.8.0+cpu", "==2.8", True),
        ("1.0", "!=1.0.0", False),
        ("7", "", True),
    ],
)
def test_bounds_mean_what_pep_440_says(version: str, bounds: str, *, held: bool) -> None:
    assert within(version, bounds) is held
    assert split_requirement(f"Absl_py {bounds}") == ("absl-py", bounds)


def test_each_devices_link_is_asked_and_those_that_are_down_are_named(root: Path) -> None:
    found = examined(root)["hccl network"]
    assert (found.level, found.found) == ("warn", "1 of 2 links UP; device 1 DOWN")
    assert found.command == "/usr/local/Ascend/driver/tools/hccn_tool -i 1 -link -g"
    (root / "dev/davinci1").unlink()
    assert examined(root)["hccl network"].level == "ok"
    (root / "usr/local/Ascend/driver/tools/hccn_tool").write_text("#!/bin/sh\nexit 3\n")
    assert "device 0 cannot be told (status 3)" in examined(root)["hccl network"].found
    (root / "usr/local/Ascend/driver/tools/hccn_tool").unlink()
    assert examined(root)["hccl network"].found == "no hccn_tool"
    (root / "dev/davinci0").unlink()
    assert "hccl network" not in examined(root)


def test_huge_pages_and_both_limits_of_locked_memory_are_told(root: Path) -> None:
    found = examined(root)
    assert found["huge pages"].found == "4 reserved, transparent: madvise"
    assert found["locked memory"].found == "64 KiB (a user may raise it to unlimited)"
    assert found["locked memory"].command == "ulimit -l unlimited"
    text = "Max locked memory         65536                65536                bytes\n"
    put(root, **{"proc/self/limits": text})
    assert examined(root)["locked memory"].command.endswith("install.py --doctor --fix")


def test_every_step_has_its_space(root: Path) -> None:
    package = Entry(path="payloads/x.run", size=1 << 60, sha256="0", kind="payload")
    found = examined(root, wheelhouse(package))
    assert {name: found[name].level for name in found if name.startswith("disk")} == {
        "disk": "ok",
        "disk for payloads": "warn",
        "disk for unpacking": "warn",
        "disk for the cache": "ok",
    }
    assert "disk for payloads" not in examined(root, wheelhouse())


def test_every_printed_command_is_one_that_a_shell_runs(root: Path) -> None:
    contents = replace(
        wheelhouse(wheel("numpy", "2.4.6")), cell={"npu": "910b", "torch": "2.8.0", "cann": "9.1.0"}
    )
    put(root, **{"sys/bus/pci/devices/0000:01:00.0/device": "0xd803"})
    commands = [finding.command for finding in examined(root, contents).values() if finding.command]
    assert len(commands) > 15
    for command in commands:
        assert not re.search(r"\b[A-Z]{4,}\b|, or |<|\.\.\.", command), command
        for part in re.split(r"; | \| ", command):
            first, *words = shlex.split(part.removeprefix("sudo "))
            assert first in RUNNABLE, command
            if first == pythons.PROGRAM:
                options.parser().parse_args(words[words.index("install.py") + 1 :])


def test_the_last_line_says_what_the_node_can(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--root", str(root)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("This node can be installed on; to serve on NPUs it still takes: cann, nnal, ")
    refused = HostFinding(name="chip", found="a3", wanted="910b", level="refuse")
    assert doctor.verdict([refused]) == "This node cannot run the wheelhouse: chip."
    assert doctor.verdict([replace(refused, level="ok")]) == "This node can serve."


def test_packages_are_told_to_unpack_elsewhere_where_no_program_may_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Entry(path="payloads/x.run", size=1, sha256="0", kind="payload")
    (root / "tmp").mkdir(exist_ok=True)
    assert examined(root, wheelhouse(package))["unpacking"].level == "ok"
    monkeypatch.setattr(readiness, "no_program_runs", lambda place: place == root / "tmp")
    found = examined(root, wheelhouse(package))["unpacking"]
    assert (found.level, found.command) == ("warn", "export TMPDIR=/var/tmp")
    assert "unpacking" not in examined(root, wheelhouse())


def test_shared_memory_is_mounted_where_nothing_is_and_else_enlarged(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = "sudo mount -t tmpfs -o size=16G tmpfs /dev/shm"
    assert examined(root)["shared memory"].command == f"sudo mkdir -p /dev/shm; {fresh}"
    (root / "dev/shm").mkdir()
    assert examined(root)["shared memory"].command == fresh
    monkeypatch.setattr(Path, "is_mount", lambda place: place == root / "dev/shm")
    assert examined(root)["shared memory"].command == "sudo mount -o remount,size=16G /dev/shm"
