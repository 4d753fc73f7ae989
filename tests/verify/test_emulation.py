from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

import pytest
from environments import tiny_wheelhouse

from ascend_wheelhouse.node.verify.report import read_report
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.verify import emulation
from ascend_wheelhouse.verify.program import main
from ascend_wheelhouse.verify.system_root import NoSystemPythonError, system_root

OTHER = "aarch64" if platform.machine() == "x86_64" else "x86_64"
MISSING = [need.name for need in emulation.needs(OTHER) if need.required and not need.present]
PACKAGES = {"alpha": {"alpha/__init__.py": "import platform\nprint(platform.machine())\n"}}

emulated = pytest.mark.skipif(
    bool(MISSING), reason=f"invoke doctor --emulation: {', '.join(MISSING)} missing"
)


@pytest.fixture
def launcher(tmp_path: Path) -> emulation.EmulatedLauncher:
    return emulation.EmulatedLauncher(
        machine=OTHER, root=system_root(OTHER, "3.11", default_root()), work=tmp_path
    )


def run(launcher: emulation.EmulatedLauncher, code: str) -> subprocess.CompletedProcess[str]:
    words = launcher.command(["/usr/bin/python3.11", "-I", "-c", code], {"USER": "verify"}, network=False)
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def test_every_need_names_what_it_is_for_and_the_package_that_brings_it() -> None:
    needs = emulation.needs(OTHER)
    assert {need.name for need in needs} >= {f"qemu-{OTHER}-static", "unshare", "private binfmt_misc"}
    assert all(need.why for need in needs)
    assert [need.name for need in needs if not need.package] == ["private binfmt_misc"]


def test_a_machine_without_the_tools_is_told_which_packages_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wheelhouse = tiny_wheelhouse(tmp_path / "w", PACKAGES, OTHER)
    assert main(["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r")]) == 10
    assert "Next: apt install apt dpkg qemu-user-static util-linux" in capfd.readouterr().err


@emulated
@pytest.mark.slow
@pytest.mark.network
def test_the_other_machines_python_runs_with_children_and_without_a_network(
    launcher: emulation.EmulatedLauncher,
) -> None:
    code = (
        "import os, platform, socket, subprocess, sys\n"
        "child = subprocess.run([sys.executable, '-c', 'import platform; print(platform.machine())'],"
        " capture_output=True, text=True)\n"
        "print(platform.machine(), child.stdout.strip(), os.getpid() > 1, [n for _, n in socket.if_nameindex()])\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname(), 5)\n"
        "open('/dev/urandom', 'rb').read(1), open('/dev/shm/x', 'w'), open('/tmp/x', 'w')\n"
        "try: open('/usr/x', 'w')\n"
        "except OSError as error: print(error.errno)\n"
        "socket.create_connection(('192.0.2.1', 53), 5)\n"
    )
    done = run(launcher, code)
    assert done.stdout.splitlines() == [f"{OTHER} {OTHER} True ['lo']", "30"]
    assert "Network is unreachable" in done.stderr


@emulated
@pytest.mark.slow
@pytest.mark.network
def test_a_crash_inside_ends_at_once_with_its_signal(launcher: emulation.EmulatedLauncher) -> None:
    began = time.monotonic()
    done = run(launcher, "import ctypes; ctypes.string_at(0)")
    assert done.returncode == 128 + 11
    assert time.monotonic() - began < 60


@emulated
@pytest.mark.slow
@pytest.mark.network
def test_a_foreign_wheelhouse_is_verified_under_emulation_by_itself(tmp_path: Path) -> None:
    wheelhouse = tiny_wheelhouse(tmp_path / "w", PACKAGES, OTHER)
    code = main(["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r")])
    report = read_report(tmp_path / "r" / "report.json")
    verdicts = {one.probe: one.verdict for one in report.results}
    assert code == 0
    assert {
        verdicts[name] for name in ("sealed-install", "versions", "files", "requirements", "imports")
    } == {"passed"}
    assert report.conditions["emulated"]
    assert [one.markers for one in report.results if one.probe == "imports"] == [("emulated",)]


@emulated
@pytest.mark.slow
@pytest.mark.network
def test_the_system_root_is_made_once_and_holds_only_what_the_archive_gave() -> None:
    root = system_root(OTHER, "3.11", default_root())
    assert system_root(OTHER, "3.11", default_root()) == root
    assert os.access(root / "usr/bin/python3.11", os.X_OK)
    assert (root / "etc/passwd").read_text() == "root:x:0:0:root:/root:/bin/sh\n"
    assert list((root / "tmp").iterdir()) == []


@emulated
def test_a_python_that_the_archive_lacks_is_told_as_that_and_not_as_an_archive_that_does_not_answer(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        NoSystemPythonError, match=rf"^No {OTHER} programs of Python 3\.12 can be run here"
    ) as told:
        system_root(OTHER, "3.12", tmp_path)
    assert told.value.exit_code == 10
    assert "python3.12 -I install.py --verify" in told.value.next_step
    assert not list((tmp_path / "roots").glob("*/usr"))
