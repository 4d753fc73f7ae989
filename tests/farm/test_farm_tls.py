"""A farm under TLS: scheduler, worker and master are real processes with certificates of an authority of this test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from certificates import Authority, Identity
from farm_rig import Rig, joined, rig
from invoking import invoke
from making_builds import Bench
from sdists import PUBLISHED, recipe, sdist, sources, where

from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.farm.choice import FarmChoice


@dataclass(frozen=True, kw_only=True)
class Secured:
    """A farm whose scheduler speaks TLS, and identities with which one gets in or does not."""

    farm: Rig
    member: Identity
    stranger: Identity
    late: Identity

    def command(self, *words: str) -> int:
        """Run a command of ours that wants to build on the farm."""
        return invoke("build", "sglang", "--platform", "x86_64", "--scheduler", self.farm.address, *words)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    member = ours.identity("member")
    with rig(folder / "farm", protocol="tls") as made:
        made.scheduler(*member.options("--tls-ca-file"))
        made.worker("anna", *member.options())
        yield Secured(
            farm=made,
            member=member,
            stranger=theirs.identity("stranger"),
            late=ours.identity("late", days=-1),
        )


def test_a_build_goes_through_the_options_for_tls(secured: Secured, tmp_path: Path) -> None:
    bench, member = Bench(root=tmp_path / "store"), secured.member
    choice = FarmChoice(scheduler=secured.farm.address, ca=member.ca, cert=member.cert, key=member.key)
    starts = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    with joined(secured.farm, bench, choice=choice) as (_, workshop):
        (wheel,) = build_component(recipe(), where(), starts, workshop)  # type: ignore[misc]  # not pending
    bench.store.prove([wheel.sha256])
    assert not [event for event in bench.events if "without TLS" in getattr(event, "text", "")]


def test_a_build_goes_through_what_dask_itself_is_told_of_tls(
    secured: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in secured.member.as_dask_settings().items():
        monkeypatch.setenv(name, value)
    secured.farm.present()
    secured.farm.worker("bert")
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "extra": "tls"})
    secured.farm.master("configured", tmp_path / "store", path)
    assert secured.farm.ended("configured") == 0, secured.farm.log("configured")
    assert list(secured.farm.results("configured")) == ["1.0"]


@pytest.mark.parametrize("wrong", ["authority", "certificate", "date"])
def test_who_is_not_trusted_is_told_so_and_ends_with_4(
    secured: Secured, wrong: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Either side may refuse: the master does not know the scheduler's authority, or the scheduler not the master's."""
    theirs = {
        "authority": replace(secured.member, ca=secured.stranger.ca),
        "certificate": replace(secured.stranger, ca=secured.member.ca),
        "date": secured.late,
    }[wrong]
    assert secured.command("--json", *theirs.options()) == 4
    said = capfd.readouterr()
    assert '"SchedulerUntrustedError"' in said.out + said.err
    name = f"mallory-{wrong}"
    assert secured.farm.refused(name, *theirs.options()) == 4, secured.farm.log(name)
    assert "do not trust each other" in secured.farm.log(name)
    assert "openssl x509 -noout -issuer -enddate -in" in secured.farm.log(name)


def test_files_that_are_no_certificates_are_told_and_end_with_2(
    secured: Secured, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.pem").write_text("nothing of the kind\n")
    for wrong in (
        replace(secured.member, ca=tmp_path / "text.pem"),
        replace(secured.member, cert=tmp_path / "text.pem"),
        replace(secured.member, key=secured.late.key),
    ):
        assert secured.command("--json", *wrong.options()) == 2
        said = capfd.readouterr()
        assert '"FarmSettingsError"' in said.out + said.err
    assert secured.farm.refused("garbled", *wrong.options()) == 2, secured.farm.log("garbled")
    assert "openssl" in secured.farm.log("garbled")


def test_tls_without_any_file_names_what_is_lacking(
    secured: Secured, capfd: pytest.CaptureFixture[str]
) -> None:
    assert secured.command() == 2
    assert "--tls-ca" in capfd.readouterr().err
    assert secured.farm.refused("bare") == 2, secured.farm.log("bare")
    assert "--tls-ca" in secured.farm.log("bare")
