"""Workers over ssh on hosts of their own: network, `/tmp`, `/run`, home, store and host key are each host's own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import ROOT, Rig, programs, rig, sleeping, until
from sdists import PUBLISHED, sdist
from ssh_hosts import MASTER, SshHosts, Way, no_ssh_hosts, ssh_hosts

LONG = pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="minutes: nox -s cluster")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(no_ssh_hosts()), reason=no_ssh_hosts())]
PACKAGE = ROOT / "src/ascend_wheelhouse"
ODD = ("off", "stranger", "other", "older", "bare")
GUESTS = """
import asyncio, socket, ssl, sys
from ascend_wheelhouse.farm.certificate import run_certificate, security_by
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.connection import reach

def naked(place):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as plain, context.wrap_socket(plain) as secure:
        return secure.recv(1)

def asked(address):
    return asyncio.run(reach(address, FarmChoice(own=security_by(run_certificate())), 5))

for place in sys.argv[1:]:
    for way, where in ((asked, f"tls://{place}"), (asked, f"tcp://{place}"), (naked, place)):
        try:
            print("LET IN", where, way(where))
        except Exception as error:
            print(type(error).__name__, where)
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SshHosts]:
    ways = {"one": Way(), "two": Way(user="builder", port=2222, key="other"), **{name: Way() for name in ODD}}
    with ssh_hosts(ways) as made:
        made.client(unknown=["stranger"])
        yield made


@pytest.fixture
def masters(site: SshHosts, tmp_path: Path) -> Iterator[Rig]:
    """Give masters on a host of their own; their logs lie where the test sees them."""
    with rig(site.folder / tmp_path.name, otherwise=site.inside(MASTER)) as made:
        yield made
    for name in ("one", "two"):
        until(lambda name=name: not site.left(name), f"nothing is left on {name}", 60)


def begin(masters: Rig, site: SshHosts, hosts: str, *marks: str) -> subprocess.Popen[bytes]:
    """Start a master with one build for each mark."""
    paths = []
    for number, mark in enumerate(marks):
        files = {"pyproject.toml": PUBLISHED.replace('"1.0"', f'"1.{number}"'), "backend.py": sleeping(mark)}
        paths.append(sdist(masters.folder, files, version=f"1.{number}"))
    env = {"HOME": str(site.home), "WHEELHOUSE_STORE": str(site.own / "store")}
    return masters.master("run", site.own / "store-of-master", *paths, on=f"ssh {hosts}", **env)


def building(site: SshHosts, mark: str) -> str:
    """Wait until a build runs, and return its host."""
    until(lambda: programs(mark), f"{mark} runs", 60)
    return site.host_of(programs(mark)[0])


def shown(site: SshHosts, name: str) -> str:
    """Return what the command lines and the environments of a host's processes show."""
    files = [Path(f"/proc/{pid}/{kind}") for pid in site.left(name) for kind in ("cmdline", "environ")]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def test_two_hosts_build_under_tls_and_nobody_else_gets_in(masters: Rig, site: SshHosts) -> None:
    """One of them has another user, another port and another key. No certificate is seen, and none stays."""
    before = {name: site.on(name, "ls", "/tmp") for name in ("one", "two")}  # noqa: S108 - the host's own
    begin(masters, site, "one,two", "20.0501", "20.0502")
    assert {building(site, "20.0501"), building(site, "20.0502")} == {"one", "two"}
    for name in ("one", "two"):
        assert "far_side" in shown(site, name)
        assert not re.search("BEGIN|certificate|PRIVATE", shown(site, name))
    addresses = {name: site.network.address(name) for name in ("one", "two")}
    places = [place for name in addresses for place in site.listening(name)]
    open_ones = [place for place in places if not place.startswith("127.")]
    assert all(place.startswith(tuple(addresses.values())) for place in open_ones), places
    assert len(open_ones) == 5  # a scheduler, and a worker with its nanny on each host
    said = site.on(MASTER, sys.executable, "-c", GUESTS, *open_ones).splitlines()
    assert len(said) == 3 * len(open_ones)
    assert not [line for line in said if "LET IN" in line], said
    assert sum("SchedulerUntrustedError tls:" in line for line in said) == len(open_ones), "\n".join(said)
    assert masters.ended("run") == 0, masters.log("run")
    assert set(masters.results("run")) == {"1.0", "1.1"}
    assert "without TLS" not in masters.log("run")
    for name in ("one", "two"):
        until(lambda name=name: not site.left(name), f"nothing is left on {name}")
        assert site.on(name, "find", site.own / "store/blobs", "-type", "f")
        assert site.on(name, "ls", "/tmp") == before[name]  # noqa: S108


def test_hosts_that_do_not_fit_are_told_and_the_others_build(masters: Rig, site: SshHosts) -> None:
    """The scheduler is on the first that does; off, with an unknown key, another Python, another tool, or none."""
    python = next(iter(Path(sys.base_prefix).parent.glob("3.12*/bin/python3.12")), None)
    site.network.link("off", "down")
    fake = site.folder / "python"
    fake.write_text(f'#!/bin/sh\nPYTHONPATH={PACKAGE.parent} exec {python} "$@"\n')
    fake.chmod(0o755)
    odd = ODD if python else tuple(name for name in ODD if name != "other")
    if python:
        site.cover("other", Path(sys.executable).resolve(), fake)
    changed = site.folder / "changed.py"
    changed.write_text(f"{(PACKAGE / '__init__.py').read_text()}\n# of another day\n")
    site.cover("older", PACKAGE / "__init__.py", changed)
    (site.folder / "empty").mkdir()
    site.cover("bare", PACKAGE, site.folder / "empty")
    begin(masters, site, f"{','.join(odd)},two", "1.0601")
    assert masters.ended("run", 120) == 0, masters.log("run")
    notes = {
        row["text"].split()[1]: row["text"]
        for row in masters.said("run")
        if "is left out" in row.get("text", "")
    }
    assert set(notes) == {*odd}
    assert "No route to host" in notes["off"] or "timed out" in notes["off"]
    assert "Host key verification failed" in notes["stranger"]
    assert re.search(r"it has tool \S+, this host has tool ", notes["older"])
    assert "No module named" in notes["bare"]
    if python:
        assert "Python 3.12" in notes["other"]
    assert not [name for name in ODD if site.left(name)]


def test_a_run_whose_hosts_all_refuse_ends_at_once_with_why(masters: Rig, site: SshHosts) -> None:
    begin(masters, site, "stranger", "1.0701")
    assert masters.ended("run", 60) == 4
    error = masters.said("run")[-1]
    assert error["error"] == "HostsNotStartedError"
    assert "stranger: Host key verification failed" in error["what"]
    assert error["next"].startswith("ssh stranger ")


@pytest.mark.parametrize(
    ("number", "whole_group", "status"),
    [
        pytest.param(signal.SIGINT, True, 130, marks=LONG),
        pytest.param(signal.SIGTERM, False, 143, marks=LONG),
        (signal.SIGKILL, False, -9),
    ],
)
def test_a_run_that_is_stopped_leaves_nothing_on_any_host(
    masters: Rig, site: SshHosts, number: signal.Signals, status: int, *, whole_group: bool
) -> None:
    marks = (f"300.07{number:02}", f"300.08{number:02}")
    master = begin(masters, site, "one,two", *marks)
    assert {building(site, mark) for mark in marks} == {"one", "two"}
    (os.killpg if whole_group else os.kill)(master.pid, number)
    assert masters.ended("run", 30) == status, masters.log("run")
    until(lambda: not (site.left("one") or site.left("two")), "nothing is left", 60)
    assert not any(map(programs, marks))


@LONG
def test_a_host_that_goes_away_in_a_build_is_followed_by_another(masters: Rig, site: SshHosts) -> None:
    """What it ran ends there by itself, as it has lost the others."""
    begin(masters, site, "one,two", "20.0901", "20.0902")
    marks = {building(site, mark): mark for mark in ("20.0901", "20.0902")}
    pids = programs(marks["two"])
    site.network.link("two", "down")
    try:
        until(lambda: not {*pids} & {*programs(marks["two"])}, "the build ends on the lost host", 150)
        until(lambda: not site.left_of_ours("two"), "nothing is left there", 200)
        assert masters.ended("run", 150) == 0, masters.log("run")
    finally:
        site.network.link("two", "up")
    assert "the connection to host two ended; its builds go to others" in masters.log("run")
    assert masters.log("run").count("(one)") == 2


@LONG
def test_a_run_without_its_scheduler_s_host_ends(masters: Rig, site: SshHosts) -> None:
    begin(masters, site, "one,two", "300.1001", "300.1002")
    marks = {building(site, mark): mark for mark in ("300.1001", "300.1002")}
    site.network.link("one", "down")
    try:
        assert masters.ended("run", 200) == 4, masters.log("run")
        until(lambda: not (site.left_of_ours("one") or site.left("two")), "nothing is left", 200)
    finally:
        site.network.link("one", "up")
    assert masters.said("run")[-1]["error"] == "SchedulerLostError"
    assert "the connection to one ended, where the scheduler of this run is" in masters.log("run")
    assert not any(map(programs, marks.values()))
