from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_site import NEEDED, Site, making_site, states

NODES = 8
BUNDLE_SIZE = 80_000_000
MOST = 1.2
pytestmark = NEEDED


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with making_site(tmp_path, nodes=NODES, size=BUNDLE_SIZE) as made:
        yield made


def test_eight_nodes_are_installed_though_one_is_cut_off_and_the_next_run_mends_it(site: Site) -> None:
    victim = "n6"
    site.cluster.slow_down(victim, "8mbit")
    before = site.cluster.bytes_sent("control")
    process = site.start()
    site.wait_for(site.folder / victim / "cache/bundle.tar.part", process)
    site.cluster.link(victim, "down")
    first = site.finish(process)
    others = [name for name in site.cluster.nodes if name != victim]
    assert states(site.report()) == {victim: "not reached", **dict.fromkeys(others, "installed")}, first.text
    assert first.count(victim, "failed") == 1

    site.cluster.link(victim, "up")
    site.cluster.full_speed(victim)
    second = site.finish(site.start())
    assert second.status == 0, second.text
    assert {second.count(name, "changed") for name in others} == {0}
    assert second.count(victim, "changed") > 0
    sent = site.cluster.bytes_sent("control") - before
    sys.stdout.write(f"control host sent {sent} bytes, bundle {site.size}\n")
    assert sent <= MOST * site.size, f"{sent} bytes for {site.size}"

    third = site.finish(site.start())
    assert third.status == 0, third.text
    assert {third.count(name, "changed") for name in site.cluster.nodes} == {0}
    rows = site.report()
    assert {row["digest"] for row in rows.values()} == {rows["n1"]["digest"]}
    assert {row["signer"] for row in rows.values()} == {site.key.fingerprint}
    page = (site.folder / "report/report.html").read_text()
    assert "8 of\n8 nodes installed." in page


def test_a_node_runs_no_installer_with_another_digest_and_the_report_says_so(tmp_path: Path) -> None:
    with making_site(tmp_path, nodes=2, size=100_000) as site:
        done = site.finish(site.start({"n2": "0" * 64}))
        assert done.status != 0
        assert states(site.report()) == {"n1": "installed", "n2": "failed"}, done.text
        assert "nothing was run" in site.report()["n2"]["error"]
        assert (tmp_path / "n1/cache/installer/install.py").is_file()
        assert not (tmp_path / "n2/cache/installer").exists()
        assert not (tmp_path / "n2/npu").exists()
