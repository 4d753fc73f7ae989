"""`invoke audit --cann-root`: which libraries are read, and what is judged where some of the host's were not given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shop import ACL, NPU, Shop, compiled, npu_library, open_shop

from ascend_wheelhouse.audit import host_symbols
from ascend_wheelhouse.audit.report import AuditReport, Finding

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")

ATB = 'extern "C" int atb_start() { return 0; }'
USES_ATB = 'extern "C" int atb_start(); extern "C" int plugin() { return atb_start(); }'


def test_a_toolkit_of_links_into_its_version_is_read(tmp_path: Path) -> None:
    version, latest = tmp_path / "ascend-toolkit/8.3.RC2", tmp_path / "ascend-toolkit/latest"
    (version / "runtime/lib64").mkdir(parents=True)
    (version / "runtime/lib64/libascendcl.so").write_bytes(compiled("libascendcl.so", ACL))
    (version / "runtime/again").symlink_to("..")
    latest.mkdir()
    (latest / "runtime").symlink_to("../8.3.RC2/runtime")
    assert "aclInit" in host_symbols.read_host_symbols(latest, "x86_64")["libascendcl.so"]


def test_a_link_far_away_is_not_followed(tmp_path: Path) -> None:
    elsewhere, latest = tmp_path / "elsewhere", tmp_path / "ascend-toolkit/latest"
    elsewhere.mkdir()
    (elsewhere / "libascendcl.so").write_bytes(compiled("libascendcl.so", ACL))
    latest.mkdir(parents=True)
    (latest / "far").symlink_to(elsewhere)
    with pytest.raises(host_symbols.NoCannError):
        host_symbols.read_host_symbols(latest, "x86_64")


def with_atb() -> Shop:
    """Return a wheelhouse whose torch_npu has a library beside its own that needs NNAL's."""
    shop = open_shop()
    flags = ("-Wl,--no-as-needed", "-L.", "-latb")
    plugin = compiled("libop_plugin_atb.so", USES_ATB, flags, (("libatb.so", ATB),))
    shop.wheels["torch_npu"].files["torch_npu/lib/libop_plugin_atb.so"] = plugin
    return shop


def _left(report: AuditReport) -> Finding:
    (found,) = [one for one in report.findings if one.rule == "left-to-host"]
    return found


def test_what_nnal_must_have_is_no_defect_where_the_toolkit_alone_was_given(tmp_path: Path) -> None:
    shop = with_atb()
    shop.hold_to(host_symbols={"libascendcl.so": frozenset({"aclInit"})})
    report = shop.audit(tmp_path)
    assert report.clean
    left = _left(report)
    assert left.message.endswith("compared with the CANN given, which is without the package of libatb.so")
    assert left.details == ("aclInit", "atb_start")


def test_what_nnal_lacks_is_a_defect_where_it_was_given(tmp_path: Path) -> None:
    shop = with_atb()
    known = {"libascendcl.so": frozenset({"aclInit"}), "libatb.so": frozenset({"atb_other"})}
    shop.hold_to(host_symbols=known)
    (found,) = [one for one in shop.audit(tmp_path).findings if one.severity == "error"]
    assert (found.rule, found.evidence) == ("missing-host-symbols", "atb_start")


def test_the_toolkit_is_compared_though_nnal_was_not_given(tmp_path: Path) -> None:
    shop = with_atb()
    shop.hold_to(host_symbols={"libascendcl.so": frozenset({"aclFinalize"})})
    (found,) = [one for one in shop.audit(tmp_path).findings if one.severity == "error"]
    assert (found.member, found.evidence) == ("torch_npu/lib/libtorch_npu.so", "aclInit")


def test_a_library_that_the_toolkit_given_lacks_is_a_defect(tmp_path: Path) -> None:
    shop = open_shop()
    source = NPU.replace('aclInit("")', 'aclInit("") + HcclGo()').replace(
        'extern "C" int npu_start', 'extern "C" int HcclGo();\nextern "C" int npu_start'
    )
    hccl = (("libhccl.so", 'extern "C" int HcclGo() { return 0; }'),)
    made = npu_library(source, extra=("-lhccl",), needs=hccl)
    shop.wheels["torch_npu"].files["torch_npu/lib/libtorch_npu.so"] = made
    shop.hold_to(host_symbols={"libascendcl.so": frozenset({"aclInit"})})
    (found,) = [one for one in shop.audit(tmp_path).findings if one.severity == "error"]
    assert (found.rule, found.evidence) == ("missing-host-symbols", "HcclGo")
