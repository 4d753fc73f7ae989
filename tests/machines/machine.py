"""Machines with a kernel of their own: QEMU runs each, and a script is all that it does.

A machine sees the files of this host, or of another system root, and can change none: what it writes there is gone
with it. It has no network but to the machines that a test joins it to. The power of one can be cut: what its kernel
had not written to a disk is lost, as on a node.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guest_kernel import GuestKernel

PROGRAMS = {"x86_64": "qemu-system-x86_64", "aarch64": "qemu-system-aarch64"}
_BOARDS = {"x86_64": ("-machine", "q35"), "aarch64": ("-machine", "virt,gic-version=3")}
_CONSOLES = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
_START = """export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mkdir -p /lib/modules && ln -sfn {modules}/lib/modules/$(uname -r) /lib/modules/$(uname -r)
ip link set lo up 2>/dev/null
cd /job
sh -e /job/script </dev/null >/job/said 2>&1
echo $? >/job/status.new && mv /job/status.new /job/status
sync
echo o >/proc/sysrq-trigger
sleep 600
"""
_PATIENCE_SECONDS = 1800.0


class MachineError(AssertionError):
    """A machine stopped, or did not come to where it was awaited; the text is what it said."""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A cable between two machines: one of them listens, on the loopback."""

    port: int

    @classmethod
    def new(cls) -> Wire:
        """Return a wire on a port that is free."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return cls(port=free.getsockname()[1])

    def end(self, *, first: bool) -> list[str]:
        """Return QEMU's words for one of its ends."""
        how, last = ("listen", 1) if first else ("connect", 2)
        name = f"wire{self.port}"
        card = (
            f"virtio-net-pci,netdev={name},mac=52:54:00:{self.port >> 8:02x}:{self.port & 255:02x}:{last:02x}"
        )
        return ["-netdev", f"socket,id={name},{how}=127.0.0.1:{self.port}", "-device", card]


def disk(path: Path, size: str, *command: str | Path) -> Path:
    """Make an empty disk, and a file system on it by a command such as `mke2fs -q -t ext4`."""
    with path.open("wb") as file:
        file.truncate(int(size.removesuffix("M")) << 20)
    if command:
        subprocess.run([*command, path], check=True, capture_output=True)
    return path


def as_disk(path: Path) -> list[str]:
    """Return QEMU's words for a disk, `/dev/vda` for the first."""
    return ["-drive", f"file={path},if=virtio,format=raw"]


def as_stick(path: Path) -> list[str]:
    """Return QEMU's words for a USB stick, `/dev/sda`, that can be pulled as `stick`."""
    drive = f"file={path},if=none,id=medium,format=raw"
    return ["-device", "qemu-xhci", "-drive", drive, "-device", "usb-storage,drive=medium,id=stick"]


@dataclass
class Machine:
    """A machine that runs one script, and is off afterwards.

    Args:
        kernel: What it starts.
        folder: Its `/job`, which both sides write; made anew.
        root: The system that it sees.
        architecture: x86_64 or aarch64.
        memory: MiB.
    """

    kernel: GuestKernel
    folder: Path
    root: Path = Path("/")
    architecture: str = "x86_64"
    memory: int = 2048
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, script: str, words: Sequence[str] = ()) -> Machine:
        """Turn it on."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "start").write_text(_START.format(modules=self.kernel.modules))
        (self.folder / "script").write_text(script)
        shares = [
            f"local,path={self.root},mount_tag=root,security_model=none,readonly=on,multidevs=remap",
            f"local,path={self.folder},mount_tag=job,security_model=none,multidevs=remap",
        ]
        command = [
            *(PROGRAMS[self.architecture], *_BOARDS[self.architecture], "-accel", "tcg,thread=multi"),
            *("-cpu", "max", "-smp", "2", "-m", str(self.memory), "-nodefaults", "-no-reboot"),
            *("-display", "none", "-serial", f"file:{self.folder}/console"),
            *("-kernel", str(self.kernel.image), "-initrd", str(self.kernel.first)),
            *("-append", f"console={_CONSOLES[self.architecture]} quiet panic=-1"),
            *(word for share in shares for word in ("-virtfs", share)),
            *("-qmp", f"unix:{self._monitor},server=on,wait=off", *words),
        ]
        self._process = subprocess.Popen(command)
        return self

    @property
    def _monitor(self) -> Path:
        """Its monitor's socket, whose path must be short."""
        return Path("/tmp") / f"machine-{os.getpid()}-{self.folder.name}.qmp"  # noqa: S108 - removed by `off`

    def tell(self, name: str) -> None:
        """Make a file in `/job` that the script waits for."""
        (self.folder / name).touch()

    def wait_for(self, name: str, ready: Callable[[Path], bool] = Path.exists) -> None:
        """Wait for a file in `/job`.

        Raises:
            MachineError: The machine is off before.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        while not ready(self.folder / name):
            if not self.is_on or time.monotonic() > end:
                raise MachineError(f"{self.folder.name} came not to {name!r}:\n{self.said}")
            time.sleep(0.1)

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """What the script printed, and the end of the console."""
        texts = [self.folder / name for name in ("said", "console")]
        return "\n".join(one.read_text(errors="replace")[-20_000:] for one in texts if one.exists())

    def finish(self) -> str:
        """Wait until the script ended well and the machine is off; return what was printed.

        Raises:
            MachineError: It ended otherwise.
        """
        self.wait_for("status")
        assert self._process
        self._process.wait(_PATIENCE_SECONDS)
        self.cut()
        if (self.folder / "status").read_text().strip() != "0":
            raise MachineError(f"{self.folder.name} failed:\n{self.said}")
        return (self.folder / "said").read_text()

    def cut(self) -> None:
        """Cut its power."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._monitor.unlink(missing_ok=True)

    def stand_still(self, *, still: bool) -> None:
        """Have it hang, or go on."""
        self._ask("stop" if still else "cont")

    def pull(self, device: str) -> None:
        """Pull a device out of its socket."""
        self._ask("device_del", id=device)

    def _ask(self, command: str, **words: Any) -> None:  # noqa: ANN401 - as QEMU's protocol has them
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self._monitor))
            with link.makefile("rw") as lines:
                for asked in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": words}):
                    lines.write(json.dumps(asked) + "\n")
                    lines.flush()
                    while not {"return", "error"} & json.loads(answer := lines.readline()).keys():
                        pass
                    assert '"return"' in answer, answer


MakeMachine = Callable[[str], Machine]
"""What makes a machine by its name; see the fixture `machine`."""
