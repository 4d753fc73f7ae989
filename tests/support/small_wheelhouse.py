"""Small wheelhouses with real wheels, installed by the real installer as on a node."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from ascend_wheelhouse.cells.package import as_manifest
from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.folder.installer import build_installer

MACHINE = platform.machine()
PACKAGES = [
    as_manifest(recipe.name, recipe.names, recipe.install)
    for recipe in load_recipes(Path(__file__).parents[2] / "recipes").values()
    if recipe.install is not None
]
CELL = {"python": f"3.{sys.version_info.minor}", "machine": MACHINE, "glibc": "2.17", "cann": "8.3.RC2"}


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """Write a pure wheel, the same bytes at any time; `files` maps paths to texts."""
    info = f"{name}-{version}.dist-info"
    members = {path: text.encode() for path, text in files.items()}
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [f"{path},sha256={_encoded(data)},{len(data)}" for path, data in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(zipfile.ZipInfo(member), data)
    return path


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def package(name: str, version: str = "1.0", **files: str) -> tuple[str, str, dict[str, str]]:
    """Describe a wheel of one package that holds `version` and the given files."""
    body = {f"{name}/__init__.py": f"version = {version!r}\n"}
    return name, version, body | {f"{name}/{path.replace('__', '.')}": text for path, text in files.items()}


@dataclass(frozen=True, kw_only=True)
class SmallWheelhouse:
    """What to put into a wheelhouse folder; `write` makes it."""

    wheels: Sequence[tuple[str, str, Mapping[str, str]]] = (package("alpha"),)
    stack: str = "small"
    serial: int | None = None
    cell: Mapping[str, str] = field(default_factory=lambda: CELL)
    post_install: Sequence[Mapping[str, str]] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    pending: Sequence[Mapping[str, str]] = ()
    payloads: Mapping[str, str] = field(default_factory=dict)
    whole_uv: bool = False

    def write(self, folder: Path) -> Path:
        """Write the wheelhouse and return its folder."""
        for name in ("wheels", "tools", *(("payloads",) if self.payloads else ())):
            (folder / name).mkdir(parents=True)
        wheels = [make_wheel(folder / "wheels", *wheel) for wheel in self.wheels]
        self._write_uv(folder / "tools")
        for name, text in self.payloads.items():
            (folder / "payloads" / name).write_text(text)
        pins = [f"{_pin(wheel)} --hash=sha256:{_digest(wheel)}\n" for wheel in wheels]
        (folder / f"requirements.{MACHINE}.txt").write_text("".join(pins))
        (folder / "install.py").write_bytes(build_installer())
        seal(folder, self.head())
        return folder

    def head(self) -> dict[str, Any]:
        """Return what its manifest says besides its files."""
        return {
            "schema": 1,
            "tool": "ascend-wheelhouse 0.1.0",
            "stack": self.stack,
            "platform": MACHINE,
            "complete": True,
            "derived": False,
            "cell": dict(self.cell),
            "recipes_digest": "1" * 64,
            "lock_digest": "2" * 64,
            "pending": [dict(item) for item in self.pending],
            "post_install": [dict(step) for step in self.post_install],
            "packages": PACKAGES,
            "serving": {"environment": dict(self.environment), "arguments": []},
            **({} if self.serial is None else {"serial": self.serial}),
        }

    def _write_uv(self, tools: Path) -> None:
        with zipfile.ZipFile(tools / "uv-0-py3-none-any.whl", "w") as archive:
            program = f'#!/bin/sh\nexec {find_uv_bin()} "$@"\n'.encode()
            if self.whole_uv:
                program = Path(find_uv_bin()).read_bytes()
            archive.writestr(zipfile.ZipInfo("uv-0.data/scripts/uv"), program)


def seal(folder: Path, head: Mapping[str, Any]) -> None:
    """Write the manifest of a folder as it stands."""
    kinds = {"wheels": "wheel", "tools": "tool", "payloads": "payload"}
    files = [
        {
            "path": str(path.relative_to(folder)),
            "size": path.stat().st_size,
            "sha256": _digest(path),
            "kind": kinds.get(path.parent.name, "installer"),
            "name": path.name.partition("-")[0],
            "version": "1.0",
            "component": None,
            "origin": "index",
            "note": "",
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    ]
    (folder / "manifest.json").write_text(json.dumps({**head, "files": files}, sort_keys=True))


def _pin(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version}"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a run of install.py ended."""

    status: int
    facts: dict[str, Any]
    talk: str


def run_installer(folder: Path, *options: str | Path, env: Mapping[str, str] | None = None) -> Answer:
    """Run a wheelhouse's own install.py with the Python of the tests, and read its JSON answer."""
    command = [sys.executable, "-I", folder / "install.py", "--json", *options]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )
    facts = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    return Answer(status=done.returncode, facts=facts, talk=done.stdout + done.stderr)


def run_in(prefix: Path, *command: str) -> str:
    """Run a command through `run` of a prefix and return what it printed."""
    done = subprocess.run([prefix / "run", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
