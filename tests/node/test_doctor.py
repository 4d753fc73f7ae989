from __future__ import annotations

import errno
import json
import os
import platform
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from small_wheelhouse import PACKAGES, SmallWheelhouse

from ascend_wheelhouse.node.host import doctor, tuning
from ascend_wheelhouse.node.host.fitness import HostFinding
from ascend_wheelhouse.node.host.host import read_host
from ascend_wheelhouse.node.host.toolkits import numbers
from ascend_wheelhouse.node.reading.contents import Contents, Entry
from ascend_wheelhouse.node.talk import Talk


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An A3 node as it comes: sixteen devices, default settings."""
    folder = tmp_path / "root"
    texts = {
        "usr/local/Ascend/ascend-toolkit/latest/aarch64-linux/ascend_toolkit_install.info": (
            "package_name=Ascend-cann-toolkit\nversion=8.3.RC2\narch=aarch64"
        ),
        "usr/local/Ascend/nnal/atb/latest/version.info": "    Ascend-cann-atb : 8.3.RC2\n    Platform : a",
        "usr/local/Ascend/driver/version.info": "Version=25.3.rc1\nascendhal_version=7.35.23",
        "usr/local/Ascend/firmware/version.info": "Version=7.8.0.2.212",
        "proc/sys/kernel/numa_balancing": "1",
        "proc/sys/vm/swappiness": "60",
        "proc/meminfo": "MemTotal: 1 kB\nHugePages_Total:       8",
        "proc/self/limits": "Max locked memory         65536                65536                bytes",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "ondemand",
        "sys/bus/pci/devices/0000:01:00.0/device": "0xd803",
        "dev/davinci_manager": "",
        "dev/hisi_hdc": "",
    }
    put(folder, **texts, **{f"dev/davinci{number}": "" for number in range(16)})
    return folder


def carrying(*names: str) -> Contents:
    """A wheelhouse for CANN 8.3.RC2 with payloads of these names."""
    files = [Entry(path=f"payloads/{name}", size=1, sha256="0", kind="payload") for name in names]
    return Contents(
        digest="0",
        stack="s",
        platform="aarch64",
        cell={"cann": "8.3.RC2"},
        files=tuple(files),
        packages=tuple(PACKAGES),
    )


def examined(root: Path) -> dict[str, HostFinding]:
    return {finding.name: finding for finding in doctor.examine(read_host(root))}


def test_the_facts_of_a_node_are_read_from_its_files(root: Path) -> None:
    host = read_host(root)
    assert (host.cann, host.nnal, host.driver, host.firmware) == (
        "8.3.RC2",
        "8.3.RC2",
        "25.3.rc1",
        "7.8.0.2.212",
    )
    assert (host.chip, host.devices, host.huge_pages, host.locked_memory) == ("a3", 16, 8, 65536)


def test_an_empty_node_has_findings_and_no_crash(tmp_path: Path) -> None:
    findings = doctor.examine(read_host(tmp_path))
    assert {"cann", "driver", "devices"} <= {item.name for item in findings if item.level == "warn"}


def test_each_finding_says_found_wanted_why_and_the_command(root: Path) -> None:
    finding = examined(root)["vm.swappiness"]
    assert (finding.found, finding.wanted, finding.level) == ("60", "10", "warn")
    assert finding.why
    assert finding.command == "sudo sysctl -w vm.swappiness=10"


def test_a_swappiness_below_what_is_wanted_serves_and_is_not_raised(root: Path) -> None:
    (root / "proc/sys/vm/swappiness").write_text("0\n")
    assert examined(root)["vm.swappiness"].level == "ok"
    assert "kernel.numa_balancing=0" in tuning.apply(root, {"sysctl"})
    assert (root / "proc/sys/vm/swappiness").read_text() == "0\n"
    assert "vm.swappiness = 0" in (root / "etc/sysctl.d/90-sglang-npu.conf").read_text()


@pytest.mark.parametrize(("device", "count", "level"), [("0xd802", 8, "ok"), ("0xd802", 16, "warn")])
def test_a_chip_has_its_number_of_devices(root: Path, device: str, count: int, level: str) -> None:
    put(root, **{"sys/bus/pci/devices/0000:01:00.0/device": device})
    for number in range(count, 16):
        (root / f"dev/davinci{number}").unlink()
    assert examined(root)["devices"].level == level


def test_fix_sets_what_the_guide_asks_and_keeps_it_through_a_reboot(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.main(["--root", str(root), "--fix", "--json"]) == 0
    changed = json.loads(capsys.readouterr().out)["changes"]
    assert "vm.swappiness=10" in changed
    assert (root / "proc/sys/kernel/numa_balancing").read_text() == "0\n"
    assert (root / "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor").read_text() == "performance\n"
    assert "vm.swappiness = 10" in (root / "etc/sysctl.d/90-sglang-npu.conf").read_text()
    wants = root / "etc/systemd/system/multi-user.target.wants/sglang-npu-governor.service"
    assert "echo performance" in wants.read_text()
    limits = (root / "etc/security/limits.d/90-sglang-npu.conf").read_text().splitlines()
    assert [line.split()[0] for line in limits if line.endswith("memlock unlimited")] == [
        *"**",
        "root",
        "root",
    ]
    fixed = examined(root)
    assert {fixed[name].level for name in ("vm.swappiness", "kernel.numa_balancing", "cpu governor")} == {
        "ok"
    }


def test_a_second_fix_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doctor.main(["--root", str(root), "--fix"])
    capsys.readouterr()
    doctor.main(["--root", str(root), "--fix", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (answer["changed"], answer["changes"]) == (False, [])


def test_looking_alone_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--root", str(root)]) == 0
    assert "WARN   vm.swappiness: found 60, wanted 10" in capsys.readouterr().out
    assert (root / "proc/sys/vm/swappiness").read_text() == "60\n"
    assert not (root / "etc").exists()


def test_a_cell_for_another_chip_or_a_newer_cann_refuses_the_node(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = {"npu": "910b", "cann": "8.5.0"}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"schema": 1, "stack": "s", "platform": "p", "cell": cell, "files": []}))
    assert doctor.main(["--root", str(root), "--manifest", str(manifest), "--json"]) == 10
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {item["name"] for item in findings if item["level"] == "refuse"} == {"cann", "nnal", "chip"}


def test_release_candidates_come_before_their_final() -> None:
    ordered = ["8.2.RC1", "8.3.RC1", "8.3.RC2", "8.3.0", "8.5.0", "9.0.0"]
    assert sorted([*ordered[3:], *ordered[:3]], key=numbers) == ordered


def test_the_one_file_examines_the_node_and_its_wheelhouse(tmp_path: Path) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    words: list[str | Path] = [sys.executable, "-I", house / "install.py", "--doctor"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 10}, done.stderr
    assert "Traceback" not in done.stderr
    assert "disk" in done.stdout + done.stderr


def test_lines_fit_80_columns_and_commands_stay_whole(root: Path) -> None:
    (root / "usr/local/Ascend/driver/version.info").unlink()
    findings = doctor.examine(read_host(root))
    for finding in findings:
        lines = finding.line().splitlines()
        whole = lines[-1].strip() == finding.command
        assert [line for line in (lines[:-1] if whole else lines) if len(line) > 80] == []
        assert whole or finding.level == "ok" or not finding.command


def test_commands_name_the_prefix_that_the_user_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "usr/local/Ascend/nnal/atb/latest/version.info").unlink()
    contents = carrying("Ascend-cann-nnal_8.3.RC2_linux-aarch64.run")
    doctor.check(root, "", contents, fix=False, talk=Talk(as_json=False), prefix=Path("/srv/our npu"))
    assert "install.py --prefix '/srv/our npu' --payloads" in capsys.readouterr().out


def test_payloads_are_proposed_only_where_the_wheelhouse_carries_the_package(root: Path) -> None:
    """NNAL's package does not bring CANN, and a CPython archive brings neither."""
    (root / "usr/local/Ascend/nnal/atb/latest/version.info").unlink()
    (root / "usr/local/Ascend/ascend-toolkit/latest/aarch64-linux/ascend_toolkit_install.info").unlink()
    held = carrying("Ascend-cann-nnal_8.3.RC2_linux-aarch64.run", "cpython-3.11.9+2-install_only.tar.gz")
    findings = {one.name: one for one in doctor.examine(read_host(root), held)}
    assert findings["nnal"].command.endswith("install.py --prefix /opt/sglang-npu --payloads")
    words = f"--quiet --install --install-for-all --install-path={root}/usr/local/Ascend"
    toolkit = f"./Ascend-cann-toolkit_8.3.RC2_linux-{platform.machine()}.run"
    assert findings["cann"].command == f"sudo sh {toolkit} --force {words}"
    assert "hiascend.com" in findings["cann"].why
    bare = {one.name: one for one in doctor.examine(read_host(root), carrying())}
    assert bare["nnal"].command == (
        f"sudo bash -c '. {root}/usr/local/Ascend/ascend-toolkit/set_env.sh && "
        f"sh ./Ascend-cann-nnal_8.3.RC2_linux-{platform.machine()}.run {words}'"
    )


def test_lines_fit_a_narrow_terminal() -> None:
    """A terminal of 60 columns, seen by a process of its own."""
    text = (
        "from ascend_wheelhouse.node.host.fitness import HostFinding\n"
        "print(HostFinding(name='n', found='word ' * 30, wanted='w', level='ok').line(), flush=True)"
    )
    master, side = pty.openpty()
    termios.tcsetwinsize(side, (24, 60))
    kept = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES"}}
    subprocess.run([sys.executable, "-c", text], stdout=side, env=kept, check=True)
    os.close(side)
    said = os.read(master, 10_000).decode().splitlines()
    os.close(master)
    assert len(said) > 2
    assert 50 < max(map(len, said)) <= 60


@pytest.mark.parametrize(
    ("fix", "file"),
    [
        ("sysctl", "etc/sysctl.d/90-sglang-npu.conf"),
        ("governor", "etc/systemd/system/multi-user.target.wants/sglang-npu-governor.service"),
    ],
)
def test_what_the_next_boot_reads_is_written_before_what_holds_now(
    root: Path, monkeypatch: pytest.MonkeyPatch, fix: str, file: str
) -> None:
    def killed(_path: Path, _value: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "_set_now", killed)
    with pytest.raises(KeyboardInterrupt):
        tuning.apply(root, {fix})
    assert (root / file).is_symlink() or (root / file).is_file()


@pytest.mark.parametrize(
    ("fix", "file"),
    [("sysctl", "etc/sysctl.d/90-sglang-npu.conf"), ("limits", "etc/security/limits.d/90-sglang-npu.conf")],
)
def test_a_disk_that_is_full_leaves_the_settings_that_were_there(
    root: Path, monkeypatch: pytest.MonkeyPatch, fix: str, file: str
) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text("before\n")
    written = Path.write_text

    def full(path: Path, text: str) -> int:
        written(path, text[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left") as raised:
        tuning.apply(root, {fix})
    assert raised.value.filename == str(root / file)
    assert (root / file).read_text() == "before\n"
    assert [path.name for path in (root / file).parent.iterdir()] == [(root / file).name]
