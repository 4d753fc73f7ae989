"""Errors of the tools on a node, which stand alone there, as errors of this side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.node import errors as node_errors


@contextmanager
def translated() -> Iterator[None]:
    """Turn an error of the reader, which stands alone on nodes, into the one of the same code here."""
    try:
        yield
    except node_errors.NodeError as error:
        kinds = (errors.UsageError, errors.IntegrityError, errors.HostUnfitError)
        kind = next((kind for kind in kinds if kind.exit_code == error.exit_code), errors.WheelhouseError)
        raise kind(error.what, why=error.why, next_step=error.next_step) from error
