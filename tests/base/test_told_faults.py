from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from ascend_wheelhouse.base import toml_text
from ascend_wheelhouse.base.errors import unexpected


def test_a_fault_names_the_line_of_this_tool_that_led_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_text: str) -> float:
        raise TypeError("odd")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TypeError) as caught:
        toml_text.parse(b"a = 1.5", parse_float=odd)
    told = unexpected(caught.value)
    assert "TypeError: odd (at toml_text.py:" in told.what
    (kept,) = tmp_path.glob("ascend-wheelhouse-fault-*.txt")
    assert str(kept) in told.next_step
