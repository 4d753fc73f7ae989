"""Small real wheels and shared objects, made on the spot for the audit's tests."""

from __future__ import annotations

import base64
import hashlib
import shutil
import stat
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

Content = str | bytes
PT_LOAD, PT_GNU_STACK = 1, 0x6474E551


def record_line(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}"


@dataclass(kw_only=True)
class WheelDraft:
    """A wheel before it is written; a test spoils one thing of it."""

    name: str
    version: str = "1.0"
    tag: str = "py3-none-any"
    files: dict[str, Content] = field(default_factory=dict)
    metadata: Sequence[str] = ()
    wheel_tags: Sequence[str] = ()
    dist_info: str = ""
    modes: Mapping[str, int] = field(default_factory=dict)
    metadata_text: Content | None = None
    wheel_text: str | None = None
    record_text: str | None = None
    file_name: str = ""

    def write(self, folder: Path) -> Path:
        """Write the wheel into a folder and return its path."""
        info = self.dist_info or f"{self.name.replace('-', '_')}-{self.version}.dist-info"
        path = folder / (self.file_name or f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl")
        members = {name: _bytes(content) for name, content in self.files.items()}
        members[f"{info}/METADATA"] = _bytes(self._metadata())
        members[f"{info}/WHEEL"] = _bytes(self._wheel())
        record = "\n".join([*(record_line(n, d) for n, d in members.items()), f"{info}/RECORD,,", ""])
        members[f"{info}/RECORD"] = _bytes(record if self.record_text is None else self.record_text)
        folder.mkdir(parents=True, exist_ok=True)
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for name, data in members.items():
                entry = ZipInfo(name, (2020, 2, 2, 0, 0, 0))
                entry.compress_type = ZIP_DEFLATED
                entry.external_attr = self.modes.get(name, stat.S_IFREG | 0o644) << 16
                archive.writestr(entry, data)
        return path

    def _metadata(self) -> Content:
        if self.metadata_text is not None:
            return self.metadata_text
        head = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        return "\n".join([*head, *self.metadata, "", ""])

    def _wheel(self) -> str:
        if self.wheel_text is not None:
            return self.wheel_text
        python, abi, platforms = self.tag.split("-")
        tags = self.wheel_tags or [f"{python}-{abi}-{platform}" for platform in platforms.split(".")]
        pure = "true" if self.tag.endswith("none-any") else "false"
        head = ["Wheel-Version: 1.0", "Generator: by hand", f"Root-Is-Purelib: {pure}"]
        return "\n".join([*head, *(f"Tag: {tag}" for tag in tags), ""])


def compiler(machine: str) -> str | None:
    """Return the C++ compiler for a machine, or None where this host has none."""
    host = shutil.which("g++")
    if machine == "x86_64":
        return host
    return shutil.which(f"{machine}-linux-gnu-g++")


def shared_object(folder: Path, source: str, *flags: str, machine: str = "x86_64", name: str = "") -> bytes:
    """Compile C++ source to a shared object and return its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    code, output = folder / "source.cpp", folder / (name or "out.so")
    code.write_text(source)
    command: list[str] = [compiler(machine) or "g++", "-shared", "-fPIC", "-O1", "-nostartfiles"]
    subprocess.run([*command, "-o", str(output), str(code), *flags], check=True, cwd=folder)
    return output.read_bytes()


def with_segment_flags(data: bytes, kind: int, flags: int) -> bytes:
    """Return the object with the flags of every segment of one kind replaced."""
    spoiled = bytearray(data)
    offset, count = struct.unpack_from("<32xQ16xH", data, 0)
    for place in range(offset, offset + 56 * count, 56):
        if struct.unpack_from("<I", data, place)[0] == kind:
            struct.pack_into("<I", spoiled, place + 4, flags)
    return bytes(spoiled)


def with_segment_kind(data: bytes, kind: int, other: int) -> bytes:
    """Return the object with every segment of one kind made one of another."""
    spoiled = bytearray(data)
    offset, count = struct.unpack_from("<32xQ16xH", data, 0)
    for place in range(offset, offset + 56 * count, 56):
        if struct.unpack_from("<I", data, place)[0] == kind:
            struct.pack_into("<I", spoiled, place, other)
    return bytes(spoiled)


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
