"""A small wheelhouse with every kind of file, and bundles of it put together byte by byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ascend_wheelhouse.folder import provenance
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import layout

LONG_NAME = (
    "wheels/charset_normalizer-3.5.2-cp311-cp311-"
    "manylinux2014_aarch64.manylinux_2_17_aarch64.manylinux_2_28_aarch64.whl"
)
TORCH = "wheels/torch-2.8.0-cp311-cp311-manylinux_2_28_aarch64.whl"
NPU = "wheels/torch_npu-2.8.0.post2-cp311-cp311-manylinux_2_28_aarch64.whl"
TOOL = "tools/uv-0-py3-none-any.whl"
FILES: dict[str, bytes] = {
    "install.py": b"raise SystemExit('installed')\n",
    "payloads/Ascend-cann-toolkit_8.3.RC2_linux-aarch64.run": b"#!/bin/sh\nexit 0\n" * 64,
    "pylock.aarch64.toml": b'lock-version = "1.0"\n',
    "requirements.aarch64.txt": b"torch==2.8.0 --hash=sha256:0\n",
    "sbom.cdx.json": b"{}\n",
    "simple/index.html": b"<!DOCTYPE html>\n",
    "simple/torch/index.html": b"",
    TOOL: b"uv",
    LONG_NAME: b"long" * 100,
    NPU: b"npu!" * 3000,
    TORCH: b"torch" * 3001,
    "wheels/whole_blocks-1-py3-none-any.whl": b"b" * 1024,
}
_KINDS = {"wheels": "wheel", "payloads": "payload", "simple": "index", "install.py": "installer"}


def entry(path: str, content: bytes) -> dict[str, Any]:
    """Return what a manifest says of a file."""
    name, _, rest = Path(path).name.partition("-")
    return {
        "path": path,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "kind": _KINDS.get(path.split("/", maxsplit=1)[0], "lock"),
        "name": name,
        "version": rest.split("-")[0],
        "component": None,
        "origin": "index",
        "note": "",
    }


def manifest_of(files: Mapping[str, bytes], **changes: object) -> dict[str, Any]:
    """Return a wheelhouse's manifest for these files."""
    return {
        "schema": 1,
        "tool": "ascend-wheelhouse 0.1.0",
        "stack": "sglang0.5.6.post2-torch2.8.0-cann8.3.rc2-a3",
        "platform": "aarch64",
        "complete": True,
        "derived": False,
        "cell": {"torch": "2.8.0", "cann": "8.3.RC2", "npu": "a3", "python": "3.11", "machine": "aarch64"},
        "recipes_digest": "1" * 64,
        "lock_digest": "2" * 64,
        "files": [entry(path, content) for path, content in sorted(files.items())],
        "pending": [],
        "post_install": [],
        "serving": {"environment": {}, "arguments": []},
        **changes,
    }


def write_wheelhouse(folder: Path, files: Mapping[str, bytes] = FILES, **changes: object) -> Path:
    """Write a wheelhouse and return its folder."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (folder / "manifest.json").write_bytes(to_json(manifest_of(files, **changes)))
    return folder


def to_json(document: object) -> bytes:
    """Return a document as manifests are written."""
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def member(path: str, content: bytes) -> bytes:
    """Return one file as a bundle holds it: header, content, padding."""
    return layout.header(path, len(content)) + content + bytes(layout.padding(len(content)))


def join(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a bundle of these members in the order given."""
    return b"".join(member(path, content) for path, content in members) + layout.TRAILER


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A bundle before it is put together; every part of it can be exchanged."""

    signer: Signer
    files: Mapping[str, bytes] = field(default_factory=lambda: FILES)
    serial: int = 7
    changes: Mapping[str, object] = field(default_factory=dict)

    @property
    def manifest(self) -> bytes:
        """The manifest's bytes."""
        return to_json(manifest_of(self.files, serial=self.serial, **self.changes))

    @cached_property
    def _sound_head(self) -> list[tuple[str, bytes]]:
        return self.head(manifest=self.manifest)

    def head(self, manifest: bytes | None = None, signer: Signer | None = None) -> list[tuple[str, bytes]]:
        """Return manifest, signature, provenance and sums, signed whatever the manifest says."""
        if manifest is None and signer is None:
            return self._sound_head
        text, key = manifest or self.manifest, signer or self.signer
        document = json.loads(text)
        return [
            (layout.MANIFEST, text),
            (layout.SIGNATURE, key.sign(text)),
            (layout.PROVENANCE, provenance.signed_statement(document, text, key)),
            (layout.SUMS, layout.sums(document["files"])),
        ]

    def body(self) -> list[tuple[str, bytes]]:
        """Return the files in the order of a bundle."""
        return [(path, self.files[path]) for path in layout.member_order(self.files)]

    def members(self) -> list[tuple[str, bytes]]:
        """Return everything in order."""
        return [*self.head(), *self.body()]

    def offset(self, path: str) -> int:
        """Return where a member's header starts."""
        position = 0
        for name, content in self.members():
            if name == path:
                return position
            position += len(member(name, content))
        raise KeyError(path)
