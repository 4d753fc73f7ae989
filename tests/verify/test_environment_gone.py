"""Somebody uninstalls or installs anew while a verification runs: that is told, and no probe is blamed."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, run_installer

from ascend_wheelhouse.node.verify import program, runner
from ascend_wheelhouse.node.verify.report import Result

UNSIGNED = "--insecure-no-signature"


@pytest.mark.parametrize("anew", [(), (UNSIGNED,)])
@pytest.mark.parametrize("verdict", ["passed", "crashed"])
def test_a_verification_of_what_was_removed_meanwhile_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    anew: tuple[str, ...],
    verdict: str,
) -> None:
    house, prefix, reports = (
        SmallWheelhouse().write(tmp_path / "house"),
        tmp_path / "npu",
        tmp_path / "reports",
    )
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    asked = []

    def probe(one: object, *_rest: object) -> Result:
        asked.append(one)
        assert run_installer(house, "--prefix", prefix, "--uninstall").status == 0
        if anew:
            assert run_installer(house, "--prefix", prefix, *anew).status == 0
        return Result(probe="files", verdict=verdict, seconds=0.0, evidence="of what is gone")  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "run_probe", probe)
    words = [f"--prefix={prefix}", f"--manifest={house / 'manifest.json'}", f"--report={reports}"]
    assert program.main([*words, "--only=files", "--only=imports", "--no-require-npu"]) == 10
    said = capsys.readouterr().err
    assert "0001 was removed or made anew while it was verified" in said
    assert ("of what is gone" in said, "was not changed" in said) == (False, False)
    assert (len(asked), list(reports.iterdir())) == (1, [])
