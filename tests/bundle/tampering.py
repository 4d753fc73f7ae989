"""A catalogue of changed bundles: every kind of byte, every member, every trick, each by its name.

`TAMPERINGS` maps a name to a function that writes a changed bundle into a folder and returns its path; the
sound one has serial 7 and is signed by the trusted key. Whoever holds only public things can do all but the
last group, which a holder of the trusted key could do: hostile paths and malformed manifests are refused all
the same.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bundle_fixtures import FILES, LONG_NAME, NPU, TOOL, TORCH, Draft, join, manifest_of, member, to_json

from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import layout


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a tamperer has: a sound bundle, a key of their own, and a folder to write to."""

    draft: Draft
    stranger: Signer
    folder: Path

    def write(self, data: bytes) -> Path:
        """Write bytes as the bundle."""
        path = self.folder / "bundle.tar"
        path.write_bytes(data)
        return path


Tampering = Callable[[Scene], Path]
_HEADER_FIELDS = {
    "name": 0,
    "mode": 105,
    "owner": 113,
    "group": 121,
    "size": 134,
    "time": 140,
    "checksum": 150,
    "kind": 156,
    "link": 160,
    "magic": 258,
    "version": 263,
    "owner-name": 265,
    "group-name": 300,
    "device": 335,
    "prefix": 350,
    "unused": 505,
}
_CONTENT_OF = [
    layout.MANIFEST,
    layout.SIGNATURE,
    layout.PROVENANCE,
    layout.SUMS,
    "install.py",
    TOOL,
    "requirements.aarch64.txt",
    "pylock.aarch64.toml",
    "sbom.cdx.json",
    "simple/index.html",
    "payloads/Ascend-cann-toolkit_8.3.RC2_linux-aarch64.run",
    LONG_NAME,
    TORCH,
]


def _flip(path: str, where: Callable[[int, int], int]) -> Tampering:
    """Change one bit; `where` gets the lengths of header and content, and returns a place in both."""

    def apply(scene: Scene) -> Path:
        data = bytearray(join(scene.draft.members()))
        content = dict(scene.draft.members())[path]
        head = len(layout.header(path, len(content)))
        data[scene.draft.offset(path) + where(head, len(content))] ^= 0x01
        return scene.write(bytes(data))

    return apply


def _bytes(change: Callable[[bytes], bytes]) -> Tampering:
    return lambda scene: scene.write(change(join(scene.draft.members())))


def _members(change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> Tampering:
    return lambda scene: scene.write(join(change(scene.draft.members())))


def _without(*names: str) -> Tampering:
    return _members(lambda members: [pair for pair in members if pair[0] not in names])


def _exchange(path: str, content: Callable[[Scene], bytes]) -> Tampering:
    def apply(scene: Scene) -> Path:
        pairs = [(name, content(scene) if name == path else old) for name, old in scene.draft.members()]
        return scene.write(join(pairs))

    return apply


def _swap(first: str, second: str) -> Tampering:
    def change(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        contents = dict(members)
        contents[first], contents[second] = contents[second], contents[first]
        return list(contents.items())

    return _members(change)


def _special(kind: bytes, link: str = "", name: str = TORCH) -> Tampering:
    """Put a link, device or folder in the place of a wheel."""

    def apply(scene: Scene) -> Path:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        parts = [
            info.tobuf(tarfile.USTAR_FORMAT) if path == TORCH else member(path, content)
            for path, content in scene.draft.members()
        ]
        return scene.write(b"".join(parts) + layout.TRAILER)

    return apply


def _inserted(data: bytes, before: str | None) -> Tampering:
    def apply(scene: Scene) -> Path:
        parts: list[bytes] = []
        for path, content in scene.draft.members():
            parts += [data] if path == before else []
            parts.append(member(path, content))
        return scene.write(b"".join([*parts, *([data] if before is None else []), layout.TRAILER]))

    return apply


def _replaced_wheel(signer: Callable[[Scene], Signer | None], *, sums: bool = True) -> Tampering:
    """Replace a wheel together with its sha256; keep the old signature, or sign with another key."""

    def apply(scene: Scene) -> Path:
        evil = replace(scene.draft, files={**FILES, TORCH: b"evil!" * 3001})
        key = signer(scene)
        forged = {**dict(scene.draft.head()), layout.MANIFEST: evil.manifest}
        head = dict(evil.head(signer=key)) if key else forged
        if sums:
            head[layout.SUMS] = layout.sums(json.loads(evil.manifest)["files"])
        return scene.write(join([*head.items(), *evil.body()]))

    return apply


def _head(**exchanged: Callable[[Scene], bytes]) -> Tampering:
    names = {"signature": layout.SIGNATURE, "provenance": layout.PROVENANCE, "manifest": layout.MANIFEST}

    def apply(scene: Scene) -> Path:
        head = dict(scene.draft.head()) | {names[key]: make(scene) for key, make in exchanged.items()}
        return scene.write(join([*head.items(), *scene.draft.body()]))

    return apply


def _edited(old: bytes, new: bytes) -> Tampering:
    return _head(manifest=lambda scene: scene.draft.manifest.replace(old, new, 1))


def _other_bundle(scene: Scene, name: str, signer: Signer | None = None) -> bytes:
    return dict(replace(scene.draft, serial=8).head(signer=signer))[name]


def _resigned(change: Callable[[dict[str, Any]], object]) -> Tampering:
    """Change the manifest and sign it with the trusted key."""

    def apply(scene: Scene) -> Path:
        document = json.loads(scene.draft.manifest)
        change(document)
        return scene.write(join([*scene.draft.head(manifest=to_json(document)), *scene.draft.body()]))

    return apply


def _hostile(path: str) -> Tampering:
    """Give a wheel a hostile path everywhere, signed with the trusted key."""

    def apply(scene: Scene) -> Path:
        files = {**FILES, path: b"evil"}
        text = to_json(manifest_of(files, serial=7))
        packed = [(name, content) for name, content in sorted(files.items()) if len(name) < 90]
        parts = [member(name, content) for name, content in scene.draft.head(manifest=text)]
        for name, content in packed:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            parts += [info.tobuf(), content, bytes(layout.padding(len(content)))]
        return scene.write(b"".join(parts) + layout.TRAILER)

    return apply


def _first_file(key: str, *, value: object) -> Tampering:
    return _resigned(lambda document: document["files"][0].update({key: value}))


def _split(change: Callable[[list[Path]], object]) -> Tampering:
    def apply(scene: Scene) -> Path:
        data = join(scene.draft.members())
        parts = [scene.folder / f"bundle.tar.{number:03d}" for number in (1, 2, 3)]
        for part, start in zip(parts, range(0, len(data), len(data) // 3 + 1), strict=True):
            part.write_bytes(data[start : start + len(data) // 3 + 1])
        change(parts)
        return scene.folder / "bundle.tar"

    return apply


def _unpacked(change: Callable[[Path], object]) -> Tampering:
    def apply(scene: Scene) -> Path:
        for name, content in scene.draft.members():
            target = scene.folder / "unpacked" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        change(scene.folder / "unpacked")
        return scene.folder / "unpacked"

    return apply


def _exchange_files(first: Path, second: Path) -> None:
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def _to_link(path: Path) -> None:
    path.rename(path.parent.parent.parent / "outside.whl")
    path.symlink_to(path.parent.parent.parent / "outside.whl")


def _at(place: int) -> Callable[[int, int], int]:
    return lambda _head, _size: place


def _flips() -> Iterator[tuple[str, Tampering]]:
    for field, place in _HEADER_FIELDS.items():
        yield f"header of a wheel: {field}", _flip(NPU, _at(place))
        yield f"header of the manifest: {field}", _flip(layout.MANIFEST, _at(place))
    for path in _CONTENT_OF:
        short = Path(path).name[:40]
        yield f"first byte of {short}", _flip(path, lambda head, _size: head)
        yield f"middle byte of {short}", _flip(path, lambda head, size: head + size // 2)
        yield f"last byte of {short}", _flip(path, lambda head, size: head + size - 1)
    yield "padding of a wheel", _flip(NPU, lambda head, size: head + size)
    yield "padding of the manifest", _flip(layout.MANIFEST, lambda head, size: head + size + 1)
    yield "pax record of a long name: path", _flip(LONG_NAME, _at(512 + 20))
    yield "pax record of a long name: length", _flip(LONG_NAME, _at(512))
    yield "pax header of a long name", _flip(LONG_NAME, _at(5))


_EXTRA = member("wheels/extra-1.0-py3-none-any.whl", b"evil")
_OUTSIDE = member("wheels/x", b"evil")

TAMPERINGS: dict[str, Tampering] = {
    **dict(_flips()),
    "trailer": _bytes(lambda data: data[:-1] + b"x"),
    "trailer cut off": _bytes(lambda data: data[:-1024]),
    "half a trailer": _bytes(lambda data: data[:-512]),
    "a block of zeros appended": _bytes(lambda data: data + bytes(512)),
    "a script appended": _bytes(lambda data: data + b"#!/bin/sh\n"),
    "a member appended after the end": _bytes(lambda data: data + _EXTRA + layout.TRAILER),
    "cut in the middle": _bytes(lambda data: data[: len(data) // 2]),
    "cut after the manifest": _bytes(lambda data: data[:4096]),
    "cut inside the first header": _bytes(lambda data: data[:100]),
    "nothing at all": _bytes(lambda _data: b""),
    "zeros only": _bytes(lambda data: bytes(len(data))),
    "shifted by a byte": _bytes(lambda data: b"\0" + data),
    "extra wheel at the end": _inserted(_EXTRA, None),
    "extra wheel before the wheels": _inserted(_EXTRA, TORCH),
    "extra wheel before the manifest": _inserted(_EXTRA, layout.MANIFEST),
    "the manifest twice": _inserted(member(layout.MANIFEST, b"{}"), "install.py"),
    "a wheel twice": _inserted(member(TORCH, FILES[TORCH]), TORCH),
    "a global pax header": _inserted(member("x", b"").replace(b"\x00ustar", b"gustar", 1), TORCH),
    "without a wheel": _without(TORCH),
    "without the lock": _without("requirements.aarch64.txt"),
    "without the manifest": _without(layout.MANIFEST),
    "without signature": _without(layout.SIGNATURE),
    "without provenance": _without(layout.PROVENANCE),
    "without signature and provenance": _without(layout.SIGNATURE, layout.PROVENANCE),
    "without sums": _without(layout.SUMS),
    "in another order": _members(lambda members: [*members[:4], *reversed(members[4:])]),
    "signature before the manifest": _members(lambda members: [members[1], members[0], *members[2:]]),
    "two wheels swapped": _swap(TORCH, NPU),
    "installer swapped with a wheel": _swap("install.py", TORCH),
    "a wheel replaced": _exchange(TORCH, lambda _scene: b"evil!" * 3001),
    "a wheel emptied": _exchange(TORCH, lambda _scene: b""),
    "the installer replaced": _exchange("install.py", lambda _scene: b"import os"),
    "a symbolic link": _special(tarfile.SYMTYPE, "/etc/passwd"),
    "a symbolic link that climbs": _special(tarfile.SYMTYPE, "../../../../root/.ssh/authorized_keys"),
    "a hard link": _special(tarfile.LNKTYPE, NPU),
    "a folder": _special(tarfile.DIRTYPE),
    "a device": _special(tarfile.CHRTYPE),
    "a pipe": _special(tarfile.FIFOTYPE),
    "a climbing header": _special(tarfile.REGTYPE, name="../../evil"),
    "an absolute header": _special(tarfile.REGTYPE, name="/etc/cron.d/evil"),
    "a file outside, inserted": _inserted(_OUTSIDE.replace(b"wheels/x", b"../../xx"), TORCH),
    "wheel and sha256 replaced, old signature": _replaced_wheel(lambda _scene: None),
    "wheel and sha256 replaced, old sums": _replaced_wheel(lambda _scene: None, sums=False),
    "wheel and sha256 replaced, signed by a stranger": _replaced_wheel(lambda scene: scene.stranger),
    "signed by a stranger": lambda scene: scene.write(
        join([*scene.draft.head(signer=scene.stranger), *scene.draft.body()])
    ),
    "manifest signed by a stranger": _head(signature=lambda scene: scene.stranger.sign(scene.draft.manifest)),
    "signature of another bundle": _head(signature=lambda scene: _other_bundle(scene, layout.SIGNATURE)),
    "provenance of another bundle": _head(provenance=lambda scene: _other_bundle(scene, layout.PROVENANCE)),
    "provenance by a stranger": _head(
        provenance=lambda scene: dict(scene.draft.head(signer=scene.stranger))[layout.PROVENANCE]
    ),
    "signature emptied": _head(signature=lambda _scene: b""),
    "provenance emptied": _head(provenance=lambda _scene: b"{}"),
    "provenance without signatures": _head(
        provenance=lambda scene: to_json(
            json.loads(dict(scene.draft.head())[layout.PROVENANCE]) | {"signatures": []}
        )
    ),
    "serial raised without signing": _edited(b'"serial": 7', b'"serial": 9'),
    "a key twice in the manifest": _edited(b'"schema": 1', b'"schema": 1, "schema": 1'),
    "manifest with a space": _edited(b"{", b"{ "),
    "manifest nested without end": _head(manifest=lambda _scene: b"[" * 100_000),
    "manifest in UTF-16": _head(manifest=lambda scene: scene.draft.manifest.decode().encode("utf-16")),
    "replay of an older serial": lambda scene: scene.write(join(replace(scene.draft, serial=6).members())),
    "replay with serial 0": lambda scene: scene.write(join(replace(scene.draft, serial=0).members())),
    "replay without serial": _resigned(lambda document: document.pop("serial")),
    "parts: one missing": _split(lambda parts: parts[1].unlink()),
    "parts: the last missing": _split(lambda parts: parts[2].unlink()),
    "parts: two swapped": _split(lambda parts: _exchange_files(parts[0], parts[1])),
    "parts: one too many": _split(lambda parts: parts[0].with_suffix(".004").write_bytes(b"x")),
    "unpacked: extra file": _unpacked(lambda folder: (folder / "wheels" / "evil.whl").write_bytes(b"")),
    "unpacked: compiled module planted": _unpacked(
        lambda folder: (folder / "errors.cpython-311.pyc").write_bytes(b"")
    ),
    "unpacked: file missing": _unpacked(lambda folder: (folder / TORCH).unlink()),
    "unpacked: file changed": _unpacked(lambda folder: (folder / TORCH).write_bytes(b"x")),
    "unpacked: file is a link": _unpacked(lambda folder: _to_link(folder / TORCH)),
    "unpacked: manifest is a link": _unpacked(lambda folder: _to_link(folder / layout.MANIFEST)),
    "unpacked: sums changed": _unpacked(
        lambda folder: (folder / layout.SUMS).write_bytes(b"0" * 64 + b"  install.py\n")
    ),
    "unpacked: hidden file": _unpacked(lambda folder: (folder / ".pth").write_bytes(b"")),
    **{
        f"hostile path {path!r}": _hostile(path)
        for path in (
            "../evil",
            "/etc/cron.d/evil",
            "wheels/../../evil",
            "wheels//evil",
            "./evil",
            "wheels/.evil",
            ".bashrc",
            "evil\\..\\x",
            "evil\nx",
            "evil\x1b[2J",
            "-rf",
            "~/evil",
            "w\u00e9.whl",
            "manifest.json.sig",
            "delta.json",
            "wheels",
            f"{TORCH}/evil",
        )
    },
    "size below zero": _first_file("size", value=-1),
    "size beyond all disks": _first_file("size", value=2**70),
    "size that is a truth value": _first_file("size", value=True),
    "size that is no number": _first_file("size", value="28"),
    "digest in capitals": _first_file("sha256", value="A" * 64),
    "digest cut short": _first_file("sha256", value="a" * 63),
    "path that is no text": _first_file("path", value=5),
    "another schema": _resigned(lambda document: document.update(schema=2)),
    "files that are no list": _resigned(lambda document: document.update(files={})),
    "serial that is no number": _resigned(lambda document: document.update(serial="9")),
    "a file twice": _resigned(lambda document: document["files"].append(document["files"][0])),
    "no files": _edited(b'"files"', b'"fylez"'),
}
