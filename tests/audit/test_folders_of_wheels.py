"""Which wheels are audited where folders are named: a wheelhouse has more wheels than those that it installs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from making_wheels import WheelDraft

from ascend_wheelhouse.audit.command import AuditRequest, ManyWheelhousesError, audit
from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.store.store import Store

ROOT = Path(__file__).parents[2]


def _audited(request: AuditRequest, tmp_path: Path) -> AuditReport:
    return audit(request, root=ROOT, emit=silent, store=Store(tmp_path / "store"))


@pytest.fixture
def house_with_tools(tmp_path: Path) -> Path:
    """A wheelhouse of one wheel, with another version of it among its tools."""
    house = tmp_path / "all" / "house"
    for folder, version in (("wheels", "1.0"), ("tools", "2.0")):
        (house / folder).mkdir(parents=True)
        text = f"version = {version!r}\n"
        WheelDraft(name="made", version=version, tag="py3-none-any", files={"made.py": text}).write(
            house / folder
        )
    cell = {"torch": "2.13.0", "machine": "x86_64", "cann": "9.1.0", "npu": "910b"}
    row = {"path": "wheels/made-1.0-py3-none-any.whl", "size": 1, "sha256": "0" * 64, "kind": "wheel"}
    document = {"schema": 1, "stack": "s", "platform": "x86_64", "cell": cell, "files": [row]}
    (house / "manifest.json").write_text(json.dumps(document))
    (house / "SHA256SUMS").touch()
    return house


def test_a_wheelhouse_behind_the_dashes_is_judged_as_one(house_with_tools: Path, tmp_path: Path) -> None:
    named = _audited(AuditRequest.of(house_with_tools), tmp_path)
    assert named.as_dict() == _audited(AuditRequest(wheelhouse=house_with_tools), tmp_path).as_dict()
    assert named.cell["npu"] == "910b"


def test_of_a_wheelhouse_among_other_wheels_those_count_that_it_installs(
    house_with_tools: Path, tmp_path: Path
) -> None:
    other = WheelDraft(name="other", tag="py3-none-any", files={"other.py": ""}).write(tmp_path)
    found = _audited(AuditRequest.of(house_with_tools, other), tmp_path).as_dict()["findings"]
    assert "2.0" not in json.dumps(found)


@pytest.mark.parametrize("behind_dashes", [True, False])
def test_a_folder_of_wheelhouses_is_no_set_of_wheels(
    house_with_tools: Path, tmp_path: Path, *, behind_dashes: bool
) -> None:
    folder = house_with_tools.parent
    request = AuditRequest.of(folder) if behind_dashes else AuditRequest(wheelhouse=folder)
    with pytest.raises(ManyWheelhousesError, match=r"no wheelhouse, and has 1 wheelhouse in it\.") as told:
        _audited(request, tmp_path)
    assert told.value.next_step == f"`invoke audit --wheelhouse {house_with_tools}`"
