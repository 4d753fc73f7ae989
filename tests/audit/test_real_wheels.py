"""The figure that matters, on wheels as published: the right pair is clean, the wrong one names its symbols."""

from __future__ import annotations

import pytest
from shop import policy_for

from ascend_wheelhouse.audit.readers import WheelInput
from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.store.store import Store

pytestmark = [pytest.mark.network, pytest.mark.slow]


def audited(*pins: tuple[str, str]) -> AuditReport:
    store, finder, target = Store(), Finder(Http()), Target.named("aarch64")
    files = [finder.find_file(name, version, target) for name, version in pins]
    fetched = fetch_all([Download.of(one.artifact, name=one.name, urls=(one.url,)) for one in files], store)
    wheels = [
        WheelInput(path=store.path(done.sha256), filename=file.filename)
        for done, file in zip(fetched, files, strict=True)
    ]
    return audit_wheels(wheels, policy_for("aarch64"), store)


def test_the_right_pair_is_clean_but_for_what_it_leaves_to_cann() -> None:
    report = audited(("torch", "2.8.0"), ("torch_npu", "2.8.0.post2"))
    linked = [one for one in report.findings if one.check in {"link-closure", "cxx-abi", "ownership"}]
    assert [one.rule for one in linked] == ["left-to-host"]
    assert list(report.left_to_host.values()) == [173]


def test_the_wrong_pair_is_reported_with_its_symbols_and_what_would_fit() -> None:
    report = audited(("torch", "2.8.0"), ("torch_npu", "2.7.1.post2"))
    (found,) = [one for one in report.of("error") if one.check == "link-closure"]
    assert found.member == "torch_npu/lib/libtorch_npu.so"
    assert found.message.startswith("6 symbols are defined by nothing")
    wanted = "c10::TensorImpl::compute_strides_like_channels_last_3d("
    assert any(text.startswith(wanted) for text in found.details)
    assert "with torch 2.8.0 fit torch_npu 2.8.0.post4, 2.8.0.post2, 2.8.0" in found.repair
