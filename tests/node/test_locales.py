"""A node whose locale is not UTF-8, as zh_CN.GBK: the same names on the disk, the same receipt, uv's own words."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_installer

UNSIGNED = "--insecure-no-signature"
LOCALES = ("zh_CN GBK", "de_DE ISO-8859-1")
WORDS = "#!/bin/sh\nprintf '  ╭ No solution found\\n  ╰─▶ Because é\\n'; exit 1\n"

pytestmark = pytest.mark.skipif(
    not (shutil.which("localedef") and Path("/usr/share/i18n/locales/zh_CN").exists()),
    reason="no sources of locales here: Debian's package locales has them",
)


class TalkingUv(SmallWheelhouse):
    """A wheelhouse whose uv complains as uv does."""

    def _write_uv(self, tools: Path) -> None:
        with zipfile.ZipFile(tools / "uv-0-py3-none-any.whl", "w") as archive:
            archive.writestr(zipfile.ZipInfo("uv-0.data/scripts/uv"), WORDS)


@pytest.fixture(params=LOCALES)
def spoken(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, str]:
    """The variables of a locale, made here."""
    language, letters = request.param.split()
    name = f"{language}.{letters}"
    made = ["localedef", "-i", language, "-f", letters, tmp_path / name]
    assert subprocess.run(made, capture_output=True, check=False).returncode in (0, 1)
    return {"LOCPATH": str(tmp_path), "LC_ALL": name}


def test_what_uv_says_is_told_and_no_fault_of_the_installer(
    tmp_path: Path, spoken: Mapping[str, str]
) -> None:
    house = TalkingUv().write(tmp_path / "house")
    answer = run_installer(house, "--prefix", tmp_path / "npu", UNSIGNED, env=spoken)
    assert (answer.status, answer.facts["error"]) == (10, "InstallCommandFailedError"), answer.talk
    assert answer.facts["why"] == "╭ No solution found\n  ╰─▶ Because é"


@pytest.mark.parametrize("program", ["uv", "pip"])
def test_what_is_installed_there_is_as_its_receipt_says_in_any_session(
    tmp_path: Path, spoken: Mapping[str, str], program: str
) -> None:
    name, version, files = package("alpha")
    house = SmallWheelhouse(wheels=[(name, version, {**files, "alpha/数据é.txt": "x"})])
    folder, prefix = house.write(tmp_path / "house"), tmp_path / "npu"
    answer = run_installer(folder, "--prefix", prefix, UNSIGNED, "--installer", program, env=spoken)
    assert answer.status == 0, answer.talk
    assert list(prefix.glob("envs/*/lib/python3.*/site-packages/alpha/数据é.txt"))
    for env in (spoken, {"LC_ALL": "C.UTF-8"}):
        assert run_installer(folder, "--prefix", prefix, "--check", env=env).status == 0
