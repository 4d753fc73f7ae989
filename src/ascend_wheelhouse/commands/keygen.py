"""`invoke keygen`: the key that signs bundles."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.cell_words import own_words
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.bundle import serial
from ascend_wheelhouse.folder.signing import generate_key
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.node.reading import contents
from ascend_wheelhouse.node.reading.bundle_reader import open_bundle

_ALLOW = "--allow-incomplete"
_STATE = contents.SHAPE | {"complete": bool}


@dataclass(frozen=True, kw_only=True)
class KeygenOptions:
    """What `invoke keygen` was asked for.

    Args:
        path: Where the private key goes.
        wheelhouses: The folder that holds those made here.
        cell: What names the cell that holds where nothing is said, for the next command where none was made.
        json: Print one JSON document.
    """

    path: Path
    wheelhouses: Path
    cell: Mapping[str, str]
    json: bool = False


def main(options: KeygenOptions) -> None:
    """Make the key; an existing one is never replaced."""
    path = options.path
    signer = generate_key(path)
    if options.json:
        console.print_json({"key": str(path), "fingerprint": signer.fingerprint})
        return
    console.line(f"{path} signs, and stays on this host; {path}.pub is for the nodes")
    console.line(f"fingerprint {signer.fingerprint}")
    key = shlex.quote(str(path))
    words = _chosen_words(options)
    if words.endswith(_ALLOW):
        console.line(
            "The newest wheelhouse is incomplete: supply what is pending first, or pack it as it is."
        )
    console.line(f"\nNext: invoke bundle {words} --sign-key {key}{_serial(options.wheelhouses.parent)}")


def _chosen_words(options: KeygenOptions) -> str:
    """Return the options for what is packed next: the newest wheelhouse, or the cell that would be made."""
    found = list(options.wheelhouses.glob("*/manifest.json"))
    if not found:
        return own_words(options.cell)
    newest = max(found, key=lambda path: path.stat().st_mtime).parent
    near = newest.relative_to(Path.cwd()) if newest.is_relative_to(Path.cwd()) else newest
    return f"--wheelhouse {shlex.quote(str(near))}{'' if _is_complete(newest) else f' {_ALLOW}'}"


def _serial(project: Path) -> str:
    """Return the option for the next serial where nothing else says one, as in a folder outside of git."""
    try:
        serial.decide(None, project)
    except serial.SerialError:
        return f" --serial {max(_packed(project / 'bundles'), default=0) + 1}"
    return ""


def _packed(bundles: Path) -> Iterator[int]:
    """Yield the serial of each bundle of a folder; what is none is passed over."""
    for path in bundles.glob("*"):
        with suppress(WheelhouseError, OSError):
            yield open_bundle(path).serial


def _is_complete(wheelhouse: Path) -> bool:
    """Tell whether nothing is pending; packing tells what is wrong with a manifest that cannot be read."""
    try:
        manifest = documents.read_file(wheelhouse / contents.NAME, _STATE)
    except (OSError, documents.UnsoundError):
        return True
    return bool(manifest["complete"])
