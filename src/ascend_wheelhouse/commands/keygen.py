"""`invoke keygen`: the key that signs bundles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.folder.signing import generate_key
from ascend_wheelhouse.node.errors import UNKNOWN_CELL


@dataclass(frozen=True, kw_only=True)
class KeygenOptions:
    """What `invoke keygen` was asked for.

    Args:
        path: Where the private key goes.
        json: Print one JSON document.
    """

    path: Path
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
    console.line(f"\nNext: invoke bundle {UNKNOWN_CELL} --sign-key {path}")
