"""What a person and a machine get to read of an audit."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from making_wheels import WheelDraft
from shop import ACL, RECIPES, compiled, open_shop, policy_for

from ascend_wheelhouse.audit import host_symbols
from ascend_wheelhouse.audit.causes import causes
from ascend_wheelhouse.audit.command import AuditRequest, NothingToAuditError, audit, audit_folder
from ascend_wheelhouse.audit.mangled import readable, string_abi
from ascend_wheelhouse.audit.render import show
from ascend_wheelhouse.audit.report import CHECKS, AuditReport, Finding, in_order
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.audit.sarif import as_sarif
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import Event, JobFinished, silent
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import LockedFile, dump_pylock
from ascend_wheelhouse.store.proven import file_sha256
from ascend_wheelhouse.store.store import Store

ROOT = RECIPES.parent


@pytest.fixture
def broken(tmp_path: Path) -> AuditReport:
    path = WheelDraft(name="alone", files={"alone.py": "import wheelbarrow\n"}).write(tmp_path)
    return audit_wheels([path], policy_for("aarch64"))


def test_a_defect_is_exit_code_7_with_the_repair(broken: AuditReport) -> None:
    assert broken.exit_code == 7
    (cause,) = causes(broken.of("error"))
    assert "wheelbarrow" in cause.todo


def test_a_clean_report_is_exit_code_0(tmp_path: Path) -> None:
    path = WheelDraft(name="alone", files={"alone.py": ""}).write(tmp_path)
    assert audit_wheels([path], policy_for("aarch64")).exit_code == 0


def test_the_json_report_names_every_check_and_every_finding(broken: AuditReport) -> None:
    plain = json.loads(json.dumps(broken.as_dict()))
    assert plain["schema"] == 1
    assert set(plain["checks"]) == set(CHECKS)
    (finding,) = [one for one in plain["findings"] if one["severity"] == "error"]
    assert finding["check"] == "undeclared-imports"
    assert finding["evidence"] == "line 1: import wheelbarrow"


def test_the_sarif_report_points_at_the_member(broken: AuditReport) -> None:
    log = as_sarif(broken)
    (run,) = log["runs"]
    result = next(one for one in run["results"] if one["level"] == "error")
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "wheels/alone-1.0-py3-none-any.whl!/alone.py"


def test_the_table_shows_the_defect_and_the_verdict(
    broken: AuditReport, capsys: pytest.CaptureFixture[str]
) -> None:
    show(broken)
    printed = capsys.readouterr().out
    assert re.search(
        r"undeclared-imports\s+verdict\s+defect\s+subject\s+alone-1\.0: alone\.py\s.*imports wheelb", printed
    )
    assert "1 wheel: not fit to ship: 1 defect" in printed


def test_the_worst_comes_first_and_nothing_twice() -> None:
    note = Finding(check="hygiene", rule="x", severity="note", message="n")
    error = replace(note, severity="error")
    report = AuditReport(wheels=(), findings=(error, note))
    assert [one.severity for one in report.findings] == ["error", "note"]


def test_findings_that_differ_in_their_evidence_alone_have_an_order() -> None:
    first = Finding(
        check="metadata", rule="not-closed", severity="error", wheel="a.whl", message="requires b"
    )
    found = [replace(first, evidence=f"b>={number}") for number in "37264518"]
    assert [one.evidence for one in in_order(found)] == [f"b>={number}" for number in "12345678"]


def test_facts_are_read_once(tmp_path: Path) -> None:
    store, events = Store(tmp_path / "store"), list[Event]()
    shop = open_shop()
    folder = tmp_path / "wheels"
    first = shop.audit(folder)
    wheels = sorted(folder.glob("*.whl"))
    assert audit_wheels(wheels, shop.policy, store).as_dict() == first.as_dict()
    assert audit_wheels(wheels, shop.policy, store, events.append).as_dict() == first.as_dict()
    assert {event.outcome for event in events if isinstance(event, JobFinished)} == {"cached"}


def test_changed_bytes_are_read_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    draft = WheelDraft(name="alone", files={"alone.py": ""})
    assert audit_wheels([draft.write(tmp_path)], policy_for("aarch64"), store).clean
    draft.files["alone.py"] = "import wheelbarrow\n"
    assert not audit_wheels([draft.write(tmp_path)], policy_for("aarch64"), store).clean


def test_a_wheel_that_is_named_twice_is_one_wheel(tmp_path: Path) -> None:
    draft = WheelDraft(name="alone", files={"alone.py": "", "beside.py": ""})
    paths = (draft.write(tmp_path), tmp_path, draft.write(tmp_path / "copy"))
    report = audit(AuditRequest(paths=paths), root=ROOT, emit=silent, store=Store(tmp_path / "store"))
    assert report.wheels == ("alone-1.0-py3-none-any.whl",)
    assert report.clean


def test_a_folder_of_any_wheels_is_audited_for_the_machine_that_they_name(tmp_path: Path) -> None:
    open_shop("x86_64").audit(tmp_path)
    report = audit(AuditRequest(paths=(tmp_path,)), root=ROOT, emit=silent, store=Store(tmp_path / "store"))
    assert report.clean
    assert report.cell["machine"] == "x86_64"
    assert report.cell["torch_npu"] == "2.8.0.post2"


def test_a_wheelhouse_is_held_to_its_manifest(tmp_path: Path) -> None:
    open_shop("x86_64").audit(tmp_path / "wheels")
    entries = [
        {
            "path": f"wheels/{path.name}",
            "size": path.stat().st_size,
            "sha256": file_sha256(path),
            "kind": "wheel",
            "origin": "sdist",
        }
        for path in sorted((tmp_path / "wheels").glob("*.whl"))
    ]
    cell = {"torch": "2.8.0", "torch_npu": "2.8.0.post4", "npu": "910b", "python": "3.11", "glibc": "2.28"}
    head = {"schema": 1, "stack": "small", "platform": "x86_64", "derived": False}
    document = {**head, "cell": cell, "files": entries}
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    report = audit_folder(tmp_path, root=ROOT, store=Store(tmp_path / "store"), emit=silent)
    assert {one.rule for one in report.of("error")} == {"not-as-stated"}
    assert report.cell["npu"] == "910b"


@pytest.mark.parametrize("stated", [True, False], ids=["a manifest", "a lock"])
def test_an_import_of_what_is_pending_keeps_no_wheelhouse_from_its_place(
    tmp_path: Path, *, stated: bool
) -> None:
    """A manifest lists what is pending; of a lock it is what the cell has and no wheel is there for."""
    wheel = WheelDraft(name="alone", files={"alone.py": "import triton\n"}).write(tmp_path)
    cell = {"triton_ascend": "3.2.2", "machine": "aarch64", "npu": "a3", "python": "3.12"}
    store = Store(tmp_path / "store")
    if stated:
        head = {"schema": 1, "stack": "small", "platform": "aarch64", "derived": False, "cell": cell}
        pending = [{"component": "triton-ascend", "reason": "no wheel", "supply": "vendor it"}]
        files = [
            {"path": wheel.name, "sha256": file_sha256(wheel), "size": wheel.stat().st_size, "kind": "wheel"}
        ]
        (tmp_path / "manifest.json").write_text(json.dumps({**head, "pending": pending, "files": files}))
        report = audit_folder(tmp_path, root=ROOT, store=store, emit=silent)
    else:
        (tmp_path / "wheels").mkdir()
        wheel = wheel.rename(tmp_path / "wheels" / wheel.name)
        file = Artifact(filename=wheel.name, size=wheel.stat().st_size, sha256=file_sha256(wheel))
        lock = tmp_path / "pylock.aarch64.toml"
        target = Target.named("aarch64", python="3.12")
        lock.write_text(dump_pylock([LockedFile.of(file)], target, tool={"cell": cell}))
        report = audit(AuditRequest(lock=lock), root=ROOT, emit=silent, store=store)
    assert report.clean
    assert [one.rule for one in report.of("note") if one.check == "undeclared-imports"] == ["pending-module"]


@pytest.mark.parametrize(
    ("tag", "fits"), [("cp312-cp312", True), ("cp311-cp311", False), ("cp39-abi3", True)]
)
def test_a_wheelhouse_for_python_3_12_takes_wheels_of_that_python(
    tmp_path: Path, tag: str, *, fits: bool
) -> None:
    """A wheel for 3.11 alone is a defect there, told with the Python that the nodes have."""
    path = WheelDraft(name="made", tag=f"{tag}-manylinux_2_28_aarch64", files={"made.py": ""}).write(tmp_path)
    policy = replace(policy_for("aarch64"), target=Target.named("aarch64", python="3.12"))
    told = [one for one in audit_wheels([path], policy).of("error") if one.rule == "tags"]
    assert bool(told) is not fits
    assert all("the target has CPython 3.12" in one.message for one in told)
    assert all("take made 1.0 as a cp312 wheel" in one.repair for one in told)


def test_a_committed_lock_is_held_to_its_cell(tmp_path: Path) -> None:
    lock = min((ROOT / "lockfiles").glob("*-torch2.8.0-cann8.3.rc2-a3/pylock.aarch64.toml"))
    (tmp_path / lock.name).write_bytes(lock.read_bytes())
    with pytest.raises(NothingToAuditError, match=r"\d+ wheels are not there: .*\.whl"):
        audit(
            AuditRequest(lock=tmp_path / lock.name), root=ROOT, emit=silent, store=Store(tmp_path / "store")
        )


@pytest.mark.parametrize("more", [{}, {"glibc": "9" * 5000 + ".1"}], ids=["whole", "a glibc that cannot be"])
def test_the_wheels_of_a_lock_are_found_beside_it(tmp_path: Path, more: dict[str, str]) -> None:
    open_shop("x86_64").audit(tmp_path / "wheels")
    target = Target.named("x86_64", "910b")
    files = [
        LockedFile.of(Artifact(filename=path.name, size=path.stat().st_size, sha256=file_sha256(path)))
        for path in (tmp_path / "wheels").glob("*.whl")
    ]
    cell = {"torch_npu": "2.8.0.post4", "npu": "910b", "machine": "x86_64", **more}
    tool = {"cell": cell, "derived": False}
    lock = tmp_path / "pylock.x86_64.toml"
    lock.write_text(dump_pylock(files, target, tool=tool))
    report = audit(AuditRequest(lock=lock), root=ROOT, emit=silent, store=Store(tmp_path / "store"))
    assert {(one.check, one.rule) for one in report.of("error")} == {
        ("cell", "not-as-stated"),
        ("metadata", "closed-name"),
    }
    assert report.cell["npu"] == "910b"


def test_a_folder_that_may_not_be_looked_into_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its wheels were left out without a word, and the others called sound."""
    open_shop("x86_64").audit(tmp_path / "wheels")
    (tmp_path / "wheels/closed").mkdir()
    scan = os.scandir

    def scanned(place: str | int) -> object:
        if str(place).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", scanned)
    request = AuditRequest(paths=(tmp_path / "wheels",))
    with pytest.raises(PermissionError, match="closed"):
        audit(request, root=ROOT, emit=silent, store=Store(tmp_path / "store"))


def test_nothing_to_audit_is_told(tmp_path: Path) -> None:
    with pytest.raises(NothingToAuditError, match="There is no wheel to audit"):
        audit(AuditRequest(paths=(tmp_path,)), root=ROOT, emit=silent, store=Store(tmp_path / "store"))


@pytest.mark.parametrize(
    ("request_of", "told"),
    [
        (lambda path: AuditRequest(paths=(path,)), r"b\.tar is no wheel"),
        (lambda path: AuditRequest(wheelhouse=path), r"b\.tar is a bundle(.|\n)*invoke bundle --list"),
        (lambda path: AuditRequest(wheelhouse=path / "x"), "there is no such folder"),
        (lambda path: AuditRequest(lock=path.with_name("nope.toml")), r"There is no lock .*nope\.toml\."),
    ],
    ids=["a file that is no wheel", "a bundle", "no folder", "no lock"],
)
def test_what_holds_no_wheels_is_bad_usage_and_no_defect(
    tmp_path: Path, request_of: Callable[[Path], AuditRequest], told: str
) -> None:
    """A bundle is a tar: its last stored wheel would be read as the archive."""
    wheel = WheelDraft(name="made", tag="py3-none-any", files={"made.py": "import absent"}).write(tmp_path)
    bundle = tmp_path / "b.tar"
    bundle.write_bytes(wheel.read_bytes())
    with pytest.raises(UsageError, match=told):
        audit(request_of(bundle), root=ROOT, emit=silent, store=Store(tmp_path / "s"))


def test_no_name_in_a_wheel_reads_as_lines_of_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "made/a\n\nhygiene: clean\n\n1 wheel: clean\n.py"
    wheel = WheelDraft(name="made", tag="py3-none-any", files={"made.py": "", name: ""}).write(tmp_path)
    report = audit(AuditRequest(paths=(wheel,)), root=ROOT, emit=silent, store=Store(tmp_path / "s"))
    assert "odd-name" in {one.rule for one in report.of("error")}
    show(report)
    printed = capsys.readouterr().out
    assert "1 wheel: clean" not in printed.splitlines()
    assert "hygiene: clean" not in printed.splitlines()
    assert r"made/a\n\nhygiene: clean\n\n1 wheel: clean\n.py" in "".join(printed.split("\n"))
    assert all("\n" not in one["member"] for one in report.as_dict()["findings"])


def test_a_wheelhouse_that_lacks_a_wheel_names_the_command_that_makes_it_anew(tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    cell = {"torch": "2.13.0", "machine": "x86_64", "cann": "9.1.0", "npu": "910b"}
    row = {"path": "wheels/made-1.0-py3-none-any.whl", "size": 1, "sha256": "0" * 64, "kind": "wheel"}
    document = {"schema": 1, "stack": "s", "platform": "x86_64", "cell": cell, "files": [row]}
    (house / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(NothingToAuditError, match="1 wheel is not there") as told:
        audit(AuditRequest(wheelhouse=house), root=ROOT, emit=silent, store=Store(tmp_path / "s"))
    words = "--torch 2.13.0 --platform x86_64 --npu 910b --cann 9.1.0"
    assert f"`invoke wheelhouse {words}`" in told.value.next_step


def test_a_wheel_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NothingToAuditError, match=r"1 wheel is not there: gone\.whl"):
        audit(
            AuditRequest(paths=(tmp_path / "gone.whl",)), root=ROOT, emit=silent, store=Store(tmp_path / "s")
        )


def test_a_cann_that_was_read_once_serves_later_audits(tmp_path: Path) -> None:
    store, cann = Store(tmp_path / "store"), tmp_path / "cann-8.3.RC2"
    (cann / "lib64").mkdir(parents=True)
    (cann / "lib64" / "libascendcl.so").write_bytes(compiled("libascendcl.so", ACL))
    symbols = host_symbols.read_host_symbols(cann, "x86_64")
    assert "aclInit" in symbols["libascendcl.so"]
    assert host_symbols.cann_version(cann) == "8.3.RC2"
    host_symbols.keep(store, "8.3.RC2", "x86_64", symbols)
    assert host_symbols.kept(store, "8.3.rc2", "x86_64") == symbols
    assert host_symbols.kept(store, "8.5.0", "x86_64") is None


def test_the_symbols_of_a_preview_are_not_kept_as_those_of_the_release(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (tmp_path / "version.cfg").write_text("[toolkit]\nversion=8.5.0.alpha002\n")
    symbols = {"libascendcl.so": frozenset({"aclInit"})}
    host_symbols.keep(store, host_symbols.cann_version(tmp_path), "x86_64", symbols)
    assert host_symbols.kept(store, "8.5.0", "x86_64") is None
    assert host_symbols.kept(store, "8.5.0.alpha002", "x86_64") == symbols


def test_a_folder_without_cann_is_told(tmp_path: Path) -> None:
    with pytest.raises(host_symbols.NoCannError, match="no shared library for aarch64"):
        host_symbols.read_host_symbols(tmp_path, "aarch64")


def test_with_the_cann_given_nothing_is_left_uncompared(tmp_path: Path) -> None:
    shop = open_shop()
    shop.hold_to(host_symbols={"libascendcl.so": frozenset({"aclInit"})})
    report = shop.audit(tmp_path)
    assert report.clean
    (left,) = [one for one in report.findings if one.rule == "left-to-host"]
    assert "compared with the CANN given" in left.message


@pytest.mark.parametrize(
    ("name", "abi"),
    [
        ("_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", "new"),
        ("_ZN3c105ErrorC1ENS_14SourceLocationESs", "old"),
        ("_ZN3c108ClassSs4nameEv", ""),
        ("aclInit", ""),
    ],
)
def test_the_string_abi_shows_in_a_symbol(name: str, abi: str) -> None:
    assert string_abi(name) == abi


def test_symbols_are_shown_as_people_write_them() -> None:
    mangled = "_ZNK3c1010TensorImpl37compute_strides_like_channels_last_3dENS0_8identityIbEE"
    assert readable(mangled).startswith("c10::TensorImpl::compute_strides_like_channels_last_3d(")
    assert readable("rand@GLIBC_2.2.5") == "rand@GLIBC_2.2.5"
    assert readable("_Zbroken") == "_Zbroken"
