"""`invoke bundle`: packs a wheelhouse, or lists, proves or rebuilds a bundle."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.bundle.command import (
    BundleResult,
    OptionsClashError,
    bundle_command,
    list_bundle,
    rebuild_bundle,
    verify_bundle,
)
from ascend_wheelhouse.bundle.serial import parse
from ascend_wheelhouse.commands.options import options_of
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.make.workspace import Workspace


def pack(root: Path, *, words: Mapping[str, str], oci: bool, allow_incomplete: bool, json: bool) -> None:
    """Pack the wheelhouse of a cell, or the folder that `words["wheelhouse"]` names."""
    with console.main_guard(json=json, words=words):
        folder = Path(words["wheelhouse"]) if words["wheelhouse"] else _folder(root, words)
        key = words["sign_key"] or os.environ.get("WHEELHOUSE_SIGN_KEY", "")
        with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
            result = bundle_command(
                folder,
                out=Path(words["out"] or root / "bundles"),
                split=words["split"] or None,
                oci=oci,
                base=Path(words["base"]) if words["base"] else None,
                sign_key=Path(key) if key else None,
                allow_incomplete=allow_incomplete,
                serial=parse(words["serial"]) if words["serial"] else None,
                emit=emit,
            )
        if json:
            console.print_json(result.as_dict())
            return
        for path in result.paths:
            console.line(str(path))
        signer = result.fingerprint or "nobody"
        told = f"{result.carried} of {result.files} files, {forms.size(result.size)}, serial {result.serial}"
        console.line(f"{told}, signed by {signer}")
        if result.fingerprint and not oci:
            console.line(f"\nNext, on a node: {_unpack(result)}")
            console.line(f"  {_install(result)}")


def _unpack(result: BundleResult) -> str:
    first = result.paths[0]
    if len(result.paths) == 1:
        return f"tar -xf {first.name} install.py node"
    return f"cat {first.stem}.* | tar -xf - install.py node"


def _install(result: BundleResult) -> str:
    where = f"--bundle {result.paths[0].name} --prefix /opt/sglang-npu"
    base = " --base OLD_BUNDLE" if result.base else ""
    return f"python3.11 install.py {where}{base} --trusted-key {result.fingerprint}"


def _folder(root: Path, words: Mapping[str, str]) -> Path:
    workspace = Workspace(root=root)
    return root / "wheelhouse" / workspace.cell(options_of(words).request).name


def show(path: Path, *, json: bool) -> None:
    """List what a bundle says of itself, without unpacking or proving it."""
    with console.main_guard(json=json):
        listing = list_bundle(path)
        if json:
            console.print_json(listing.as_dict())
            return
        console.table(["file", "size"], [[file.path, forms.size(file.size)] for file in listing.files])
        console.line(
            f"{listing.stack} {listing.platform}, serial {listing.serial}, signer {listing.signer or 'nobody'}"
        )


def verify(path: Path, *, trusted_key: str, insecure: bool, base: str, json: bool) -> None:
    """Prove a bundle without unpacking it."""
    with console.main_guard(json=json):
        with console.reporter("json" if json else "auto", stream=sys.stderr) as emit:
            proven = verify_bundle(
                path,
                trusted_key=trusted_key or None,
                insecure=insecure,
                base=Path(base) if base else None,
                emit=emit,
            )
        if json:
            console.print_json(asdict(proven))
        else:
            console.line(f"{path}: good, serial {proven.serial}, signed by {proven.fingerprint or 'nobody'}")


def rebuild(path: Path, *, base: str, out: str, trusted_key: str, insecure: bool) -> None:
    """Write the whole bundle from a delta and its base."""
    with console.main_guard():
        if not base or not out:
            raise OptionsClashError(
                "--rebuild needs --base and --out.",
                next_step=f"--rebuild {path} --base OLD_BUNDLE --out NEW.tar",
            )
        with console.reporter("auto", stream=sys.stderr) as emit:
            written = rebuild_bundle(
                path, Path(base), Path(out), trusted_key=trusted_key or None, insecure=insecure, emit=emit
            )
        for one in written:
            console.line(str(one))
