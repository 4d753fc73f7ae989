"""The facts of wheels that a store keeps: under which key, and which of them are of no more use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ascend_wheelhouse.audit import rules
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_files import read_json, results_below, status

_ALL = "audit-"
_SHAPE = {"sha256": documents.sha256}


def key_of(words: Sequence[str]) -> str:
    """Return the key of facts: of what they depend on, and of the code that reads and judges."""
    return f"{_prefix()}{hashlib.sha256(' '.join(words).encode()).hexdigest()}"


def _prefix() -> str:
    return f"{_ALL}{rules.digest()}-"


def prune_facts(store: Store, emit: Emit) -> int:
    """Remove facts of other versions of this tool, and of wheels that the store has no more; return the bytes freed.

    Args:
        store: Where they are.
        emit: Told of the waiting, while a run is at work on the store.
    """
    freed = 0
    with store.alone(emit):
        for key, path in results_below(store.root, _ALL):
            record = read_json(path, _SHAPE) if key.startswith(_prefix()) else None
            if record is None or not store.has(record["sha256"]):
                found = status(path)
                path.unlink(missing_ok=True)
                freed += found.st_size if found else 0
    return freed
