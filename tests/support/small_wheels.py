"""Wheels with real shared objects, compiled in a tenth of a second each."""

from __future__ import annotations

import base64
import hashlib
import platform
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ascend_wheelhouse.base.process import run


def shared_object(folder: Path, name: str, *, code: str = "", link: Sequence[str] = ()) -> Path:
    """Compile `code` into `folder/name`; `link` are further words for the linker."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}.c"
    source.write_text(code or "int nothing(void) { return 0; }\n", encoding="utf-8")
    target = folder / name
    soname = f"-Wl,-soname,{name}"
    run(["gcc", "-shared", "-fPIC", "-nostdlib", soname, "-o", target, source, *link])
    return target


def wheel(folder: Path, members: Mapping[str, bytes], *, name: str = "thing", version: str = "1.0") -> Path:
    """Write a `linux_<arch>` wheel for CPython 3.11 with those members."""
    tag = f"cp311-cp311-linux_{platform.machine()}"
    info = f"{name}-{version}.dist-info"
    every = dict(members) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in every.items()]
    path = folder / f"{name}-{version}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in every.items():
            archive.writestr(member, data)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
