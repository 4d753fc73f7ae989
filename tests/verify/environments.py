"""Small environments: a real interpreter, and distributions written with their records, as an installer would."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.probes import Probe
from ascend_wheelhouse.node.verify import settings
from ascend_wheelhouse.node.verify.sealed import NativeLauncher

NO_ASCEND = cann.Ascend(devices=0, toolkit="", scripts=())
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def make_environment(folder: Path) -> Path:
    """Make an empty virtual environment without pip."""
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def site_packages(environment: Path) -> Path:
    """Return where its packages are."""
    return environment / "lib" / f"python{PYTHON}" / "site-packages"


def install(environment: Path, name: str, version: str, files: Mapping[str, str | bytes]) -> None:
    """Write a distribution's files, its metadata and its RECORD; what is there is overwritten, as pip does."""
    site = site_packages(environment)
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    rows = []
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    for path, content in {**files, f"{info}/METADATA": metadata}.items():
        raw = content.encode() if isinstance(content, str) else content
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(raw)
        digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(raw)}\n")
    (site / info / "RECORD").write_text("".join(rows) + f"{info}/RECORD,,\n", encoding="utf-8")


def manifest(wheels: Mapping[str, str], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any part of a manifest
    """Return a manifest that locks these wheels."""
    files = [
        {
            "path": f"wheels/{name}.whl",
            "kind": "wheel",
            "name": name,
            "version": version,
            "component": None,
            "sha256": "0" * 64,
        }
        for name, version in wheels.items()
    ]
    return {
        "schema": 1,
        "stack": "tiny",
        "platform": "x86_64",
        "files": files,
        "pending": [],
        "cell": {"python": PYTHON, "npu": "a3"},
        **more,
    }


def setting(
    environment: Path,
    scratch: Path,
    locked: Mapping[str, Any],
    options: settings.VerifyOptions | None = None,
    node: Path = settings.NODE,
    *,
    ascend: cann.Ascend = NO_ASCEND,
) -> settings.Setting:
    """Return a setting for this machine, not cut off, so that it also works where namespaces are refused."""
    scratch.mkdir(exist_ok=True)
    return settings.Setting(
        environment=environment,
        manifest=locked,
        options=options or settings.VerifyOptions(),
        launcher=NativeLauncher(sealed=False),
        ascend=ascend,
        scratch=scratch,
        node=node,
    )


def scripted_probe(folder: Path, name: str, body: str) -> Path:
    """Copy the node's code and add a probe whose `run(context)` has this body; return the copy."""
    copy = folder / "node"
    if not copy.exists():
        shutil.copytree(settings.NODE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    head = "from .api import Context, Outcome, ProbeFailedError, ProbeSkippedError\n\n\ndef run(context):\n"
    (copy / "probes" / f"{name.replace('-', '_')}.py").write_text(head + lines, encoding="utf-8")
    return copy


def probe(name: str, **more: Any) -> Probe:  # noqa: ANN401 - any limit of a probe
    """Return a catalogue entry for a scripted probe with tight limits."""
    return Probe(name=name, **{"seconds": 20, "memory": 2**30, **more})


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """Write a small pure wheel, members in a fixed order."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},{_digest(text.encode())},{len(text)}\n" for path, text in members.items())
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), text)
    return path


def _digest(raw: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()


def tiny_wheelhouse(parent: Path, packages: Mapping[str, Mapping[str, str]], machine: str) -> Path:
    """Write a wheelhouse of the real layout that holds these packages at version 1.0."""
    folder = parent / f"tiny-{machine}"
    (folder / "wheels").mkdir(parents=True)
    lines, entries = [], []
    for name, files in packages.items():
        path = write_wheel(folder / "wheels", name, "1.0", files)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{name}==1.0 --hash=sha256:{sha256}\n")
        where = {"path": f"wheels/{path.name}", "sha256": sha256, "size": path.stat().st_size}
        entries.append({**where, "kind": "wheel", "name": name, "version": "1.0", "component": None})
    (folder / f"requirements.{machine}.txt").write_text("".join(lines), encoding="utf-8")
    made = manifest({}, platform=machine) | {"files": entries}
    (folder / "manifest.json").write_text(json.dumps(made), encoding="utf-8")
    return folder
