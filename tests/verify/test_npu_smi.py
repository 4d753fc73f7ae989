"""What the probe npu-smi makes of the tool's answers, laid out as those of an Atlas A3 and of an Atlas A2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ascend_wheelhouse.node.probes import npu_smi
from ascend_wheelhouse.node.probes.api import Context, Outcome, ProbeFailedError

HEAD = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 25.2.1                   Version: 25.2.1                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
"""
A3_ROW = """\
| {npu}     Ascend910           | {health:<13} | 163.7       35                0    / 0             |
| {chip}     {index}                   | 0000:9D:00.0  | 0           0    / 0          3406 / 65536         |
"""
A2_ROW = """\
| {npu}     910B3               | {health:<13} | 91.6        49                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3389 / 65536         |
"""
PROCESSES = """\
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
| 0       0                 | 4711          | python3.11               | 60000                   |
"""
A3 = "".join(A3_ROW.format(npu=index // 2, chip=index % 2, index=index, health="OK") for index in range(4))
A2 = "".join(A2_ROW.format(npu=index, health="OK") for index in range(2))
COUNTED = "        HBM Single Bit Error Count               : 2\n        HBM Double Bit Error Count               : 0\n"


def answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, table: str, ecc: str, *, status: int = 0, present: int
) -> Outcome:
    """Run the probe over a stand-in of the tool that gives this table, and this for each NPU's memory errors."""
    (folder / "table").write_text(HEAD + table + PROCESSES, encoding="utf-8")
    (folder / "ecc").write_text(ecc, encoding="utf-8")
    tool = folder / "npu-smi"
    tool.write_text(
        f'#!/bin/sh\nif [ "$2" = -t ]; then cat {folder}/ecc; exit {status}; fi\ncat {folder}/table\n',
        encoding="utf-8",
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    options: dict[str, Any] = {"npu": True, "present": present}
    return npu_smi.run(Context(manifest={}, options=options, scratch=folder, doing=lambda _text: None))


@pytest.mark.parametrize(("table", "count", "cards"), [(A3, 4, 2), (A2, 2, 2)], ids=["A3", "A2"])
def test_each_chip_is_counted_and_each_cards_memory_errors_are_added(
    table: str, count: int, cards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = answer(tmp_path, monkeypatch, table, COUNTED, present=count)
    assert outcome.evidence.startswith(f"{count} NPUs healthy (")
    assert outcome.figures["corrected_memory_errors"] == 2 * cards


@pytest.mark.parametrize(
    ("ecc", "status"),
    [("This device does not support querying ecc.\n", 1), ("", 0), (COUNTED, 255)],
    ids=["refused", "silent", "broken off"],
)
def test_memory_errors_that_nobody_could_read_are_not_told_as_none(
    ecc: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = answer(tmp_path, monkeypatch, A2, ecc, status=status, present=2)
    assert outcome.evidence == "2 NPUs healthy (910B3); memory errors are not told of NPU 0, 1"
    assert "corrected_memory_errors" not in outcome.figures
    assert outcome.figures["memory_errors_untold"] == [0, 1]


def test_an_alarm_and_a_card_that_is_not_listed_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alarm = A2_ROW.format(npu=2, health="Alarm")
    with pytest.raises(ProbeFailedError, match=r"^NPU 2 \(910B3\) is Alarm$"):
        answer(tmp_path, monkeypatch, A2 + alarm, COUNTED, present=3)
    with pytest.raises(ProbeFailedError, match=r"^npu-smi lists 2 NPUs, /dev has 3$"):
        answer(tmp_path, monkeypatch, A2, COUNTED, present=3)


@pytest.mark.parametrize(
    ("health", "told"), [("N/A", "N/A"), ("Minor Alarm", "Minor Alarm"), ("", "without a state")]
)
def test_a_device_that_answers_in_part_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, health: str, told: str
) -> None:
    """Its line was passed over, so that one device too few was told, and not which."""
    with pytest.raises(ProbeFailedError, match=rf"^NPU 2 \(910B3\) is {told}$"):
        answer(tmp_path, monkeypatch, A2 + A2_ROW.format(npu=2, health=health), COUNTED, present=3)


def test_on_a_card_of_two_chips_the_one_at_fault_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick = A3_ROW.format(npu=1, chip=1, index=3, health="Alarm")
    table = "".join(A3.splitlines(keepends=True)[:-2]) + sick
    with pytest.raises(ProbeFailedError, match=r"^NPU 1 chip 1 \(Ascend910, device 3\) is Alarm$"):
        answer(tmp_path, monkeypatch, table, COUNTED, present=4)
    damaged = COUNTED.replace("Double Bit Error Count               : 0", "Double Bit Error Count : 3")
    both = f"{COUNTED}        Chip ID : 0\n\n{damaged}        Chip ID : 1\n"
    with pytest.raises(
        ProbeFailedError, match=r"^NPU 0 chip 1 has 3 memory errors that could not be corrected"
    ):
        answer(tmp_path, monkeypatch, A3, both, present=4)


def test_a_chip_whose_memory_errors_are_told_by_half_is_told_as_untold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = COUNTED.splitlines(keepends=True)[0]
    outcome = answer(
        tmp_path, monkeypatch, A2, f"{COUNTED}        Chip ID : 0\n{half}        Chip ID : 1\n", present=2
    )
    assert outcome.figures["memory_errors_untold"] == [0, 1]
