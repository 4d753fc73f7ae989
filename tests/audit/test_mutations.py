"""Hostile and damaged input: a finding or a clear error, never a crash, within bounded time.

The number of examples is hypothesis' own default profile here; `nox -s fuzz` runs ten thousand.
"""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making_wheels import WheelDraft, record_line
from shop import npu_library, open_shop, policy_for

from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.wheels.elf import BadElfError, ElfFacts, read_elf

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
EXAMPLES = int(os.environ.get("WHEELHOUSE_FUZZ_EXAMPLES", "1000"))
bounded = settings(
    max_examples=EXAMPLES // 4,
    deadline=5000,
    derandomize=EXAMPLES <= 1000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
)
POLICY = policy_for("x86_64")
sizes = st.sampled_from([0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1])


@cache
def good_object() -> bytes:
    return npu_library()


@cache
def good_wheel() -> bytes:
    with TemporaryDirectory() as folder:
        return open_shop().wheels["torch_npu"].write(Path(folder)).read_bytes()


def audited(data: bytes) -> AuditReport:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "torch_npu-2.8.0.post2-cp311-cp311-manylinux_2_28_x86_64.whl"
        path.write_bytes(data)
        return audit_wheels([path], POLICY)


def outcome(data: bytes) -> type[object]:
    try:
        return type(read_elf(data))
    except BadElfError:
        return BadElfError


@st.composite
def spoiled(draw: st.DrawFn, original: bytes) -> bytes:
    """Cut, overwrite with bytes or with hostile numbers, remove or repeat a part."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 9, 0)))
        match draw(st.sampled_from(["bytes", "number", "cut", "remove", "repeat", "zero"])):
            case "bytes":
                data[place : place + 4] = draw(st.binary(min_size=4, max_size=4))
            case "number":
                data[place : place + 8] = struct.pack("<Q", draw(sizes))
            case "cut":
                del data[place:]
            case "remove":
                del data[place : place + draw(st.integers(1, 200))]
            case "repeat":
                data[place:place] = data[place : place + draw(st.integers(1, 200))]
            case "zero":
                data[place : place + 64] = bytes(64)
    return bytes(data)


@bounded
@given(data=st.deferred(lambda: spoiled(good_object())))
def test_a_spoiled_object_is_an_answer_or_a_clear_error(data: bytes) -> None:
    if data[:4] == b"\x7fELF":
        assert outcome(data) in {ElfFacts, BadElfError}


@bounded
@given(
    place=st.integers(0, 0x400),
    wide=st.booleans(),
    number=sizes,
)
def test_hostile_numbers_in_the_headers_are_an_answer_or_a_clear_error(
    *, place: int, wide: bool, number: int
) -> None:
    data = bytearray(good_object())
    mask = (1 << 64) - 1 if wide else (1 << 32) - 1
    struct.pack_into("<Q" if wide else "<I", data, max(place, 5), number & mask)
    assert outcome(bytes(data)) in {ElfFacts, BadElfError}


@bounded
@given(data=st.deferred(lambda: spoiled(good_wheel())))
def test_a_spoiled_wheel_is_a_finding_or_still_readable(data: bytes) -> None:
    report = audited(data)
    assert report.wheels
    assert all(one.message for one in report.findings)


@bounded
@given(
    name=st.text(alphabet="abc/.\\\0-_ é\n:*", max_size=40),
    text=st.text(max_size=200) | st.integers(1, 3000).map(lambda depth: "(" * depth + ")" * depth),
    record=st.text(alphabet="a,=\"'\nsha256-9é", max_size=200) | st.none(),
    metadata=st.text(alphabet="Name: x\nVersion\r1.0;[]=<>\"'(é", max_size=200) | st.none(),
)
def test_hostile_text_is_a_finding_or_still_readable(
    name: str, text: str, record: str | None, metadata: str | None
) -> None:
    files: dict[str, str | bytes] = {"alone.py": text.encode("utf-8", "surrogatepass")}
    if name.strip("/") and "\0" not in name:
        files[name] = text.encode("utf-8", "surrogatepass")
    draft = WheelDraft(name="alone", files=files, record_text=record, metadata_text=metadata)
    with TemporaryDirectory() as folder:
        assert audit_wheels([draft.write(Path(folder))], POLICY).wheels


def test_a_deeply_nested_source_is_passed_over(tmp_path: Path) -> None:
    deep = "x = " + "-" * 100_000 + "1\n" + "".join(f"{' ' * n}if x:\n" for n in range(99))
    path = WheelDraft(name="alone", files={"alone.py": deep, "b.py": "(" * 5000}).write(tmp_path)
    assert audit_wheels([path], POLICY).clean


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "alone-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("alone/data.bin", bytes(80 << 20))
        archive.writestr("alone-1.0.dist-info/RECORD", record_line("alone/data.bin", b""))
    (finding,) = audit_wheels([path], POLICY).of("error")
    assert (finding.check, finding.rule) == ("hygiene", "zip-bomb")


def test_a_stated_size_of_exabytes_is_a_finding(tmp_path: Path) -> None:
    path = WheelDraft(name="alone", files={"alone.py": "x = 1\n"}).write(tmp_path)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\1\2")
    struct.pack_into("<I", data, place + 24, 0xFFFFFFFE)
    path.write_bytes(data)
    assert not audit_wheels([path], POLICY).clean
