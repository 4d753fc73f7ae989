"""Facts that the cells of one run share: decoded once while it goes on, and read from the store by everybody else."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.audit.facts import WheelFacts, to_json
from ascend_wheelhouse.audit.readers import WheelInput, WheelToRead, known_facts
from ascend_wheelhouse.base.shared import sharing
from ascend_wheelhouse.store.store import Store


def task(tmp_path: Path, filename: str = "one-1-py3-none-any.whl") -> WheelToRead:
    """Return the reading of a wheel that nobody opens."""
    wheel = WheelInput(path=tmp_path / filename, filename=filename)
    return WheelToRead(wheel=wheel, sha256="0" * 64, python=(3, 11), roots=())


def test_two_cells_get_one_value(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    one = task(tmp_path)
    first.put_result(one.key, to_json(WheelFacts(file=one.wheel.filename, sha256=one.sha256)))
    with sharing():
        facts = known_facts(one, first)
        assert facts is not None
        assert known_facts(one, second) is facts
        with sharing():
            assert known_facts(one, second) is facts
        assert known_facts(one, second) is facts
    assert known_facts(one, second) == facts
    assert known_facts(one, second) is not facts


def test_facts_that_come_later_are_seen(tmp_path: Path) -> None:
    store, one = Store(tmp_path), task(tmp_path)
    facts = WheelFacts(file=one.wheel.filename, sha256=one.sha256)
    with sharing():
        assert known_facts(one, store) is None
        store.put_result(one.key, {"schema": "of another version"})
        assert known_facts(one, store) is None
        store.put_result(one.key, to_json(facts))
        assert known_facts(one, store) == facts


def test_two_stores_are_not_taken_for_each_other(tmp_path: Path) -> None:
    full, empty, one = Store(tmp_path / "full"), Store(tmp_path / "empty"), task(tmp_path)
    full.put_result(one.key, to_json(WheelFacts(file=one.wheel.filename, sha256=one.sha256)))
    with sharing():
        assert known_facts(one, full) is not None
        assert known_facts(one, empty) is None


def test_a_command_of_one_cell_reads_what_the_store_says_now(tmp_path: Path) -> None:
    store, one = Store(tmp_path), task(tmp_path)
    store.put_result(one.key, to_json(WheelFacts(file=one.wheel.filename, sha256=one.sha256)))
    assert known_facts(one, store) is not None
    store.put_result(one.key, {"schema": "of another version"})
    assert known_facts(one, store) is None
