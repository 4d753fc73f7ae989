from __future__ import annotations

import pytest

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.node import errors as node_errors


@pytest.mark.parametrize("name", ["UsageError", "IntegrityError", "VerifyError", "HostUnfitError"])
def test_a_node_ends_with_the_same_codes_as_the_rest(name: str) -> None:
    assert getattr(node_errors, name).exit_code == getattr(errors, name).exit_code


def test_an_error_reads_as_what_why_and_next() -> None:
    error = node_errors.HostUnfitError("No disk.", why="It is full.", next_step="free 3 GiB")
    assert str(error) == "No disk.\n\nIt is full.\n\nNext: free 3 GiB"
    assert error.as_dict()["exit_code"] == 10
