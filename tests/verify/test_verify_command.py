"""The whole command, from a small wheelhouse to its reports, with a real sealed install."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from environments import tiny_wheelhouse, write_wheel

from ascend_wheelhouse.base.interpreters import find_python
from ascend_wheelhouse.node.verify import program as node_verify
from ascend_wheelhouse.node.verify import sealed
from ascend_wheelhouse.node.verify.report import read_report
from ascend_wheelhouse.verify import environment, found
from ascend_wheelhouse.verify.program import main

HERE = platform.machine()
PACKAGES = {"alpha": {"alpha/__init__.py": "import beta\n"}, "beta": {"beta.py": "VALUE = 1\n"}}


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    return tiny_wheelhouse(tmp_path / "wheelhouse", PACKAGES, HERE)


def files_of(folder: Path) -> set[str]:
    own = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "RECORD")
    paths = (
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name not in own
    )
    return {str(path.relative_to(folder)) for path in paths}


@pytest.mark.parametrize("backend", ["uv", "pip"])
def test_a_good_wheelhouse_passes_and_leaves_its_evidence(
    backend: str, wheelhouse: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reports = tmp_path / "reports"
    code = main(["--wheelhouse", str(wheelhouse), "--report", str(reports), "--backend", backend])
    said = capfd.readouterr().out
    report = read_report(reports / "report.json")
    verdicts = {one.probe: one.verdict for one in report.results}
    assert code == 0, said
    assert {
        verdicts[name] for name in ("sealed-install", "versions", "files", "requirements", "imports")
    } == {"passed"}
    assert report.conditions["sealed"] == sealed.can_seal()
    cases = re.findall(r'<testcase classname="[^"]*" name="([^"]+)"', (reports / "junit.xml").read_text())
    assert set(cases) == set(verdicts)
    assert said.splitlines()[-1] == f"report: {reports / 'report.html'}"


@pytest.mark.skipif(find_python("3.12") is None, reason="this host has no Python 3.12")
@pytest.mark.parametrize("backend", ["uv", "pip"])
def test_a_wheelhouse_for_another_python_is_verified_with_that_one(
    backend: str, wheelhouse: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _for_python(wheelhouse, "3.12")
    words = [
        "--wheelhouse",
        str(wheelhouse),
        "--report",
        str(tmp_path / "reports"),
        "--keep",
        str(tmp_path / "kept"),
    ]
    assert main([*words, "--backend", backend]) == 0, capfd.readouterr().out
    verdicts = {one.probe: one.verdict for one in read_report(tmp_path / "reports/report.json").results}
    assert {verdicts[name] for name in ("versions", "files", "requirements", "imports")} == {"passed"}
    (environment,) = (tmp_path / "kept").glob("**/lib/python3.12/site-packages/alpha/__init__.py")
    assert environment.is_file()


def test_a_host_without_the_python_of_the_wheelhouse_is_told_which_one_it_takes(
    wheelhouse: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _for_python(wheelhouse, "3.99")
    assert main(["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "reports")]) == 10
    said = "".join(capfd.readouterr())
    assert "Python 3.99, which the wheelhouse is for, is not on this host." in said
    assert "uv python install 3.99" in said


def _for_python(wheelhouse: Path, version: str) -> None:
    path = wheelhouse / "manifest.json"
    document = json.loads(path.read_text())
    document["cell"]["python"] = version
    path.write_text(json.dumps(document))


def test_uv_and_pip_install_the_same_files(wheelhouse: Path, tmp_path: Path) -> None:
    made = found.find(wheelhouse, tmp_path)
    trees = []
    backends: tuple[environment.Backend, ...] = get_args(environment.Backend)
    for backend in backends:
        folder = tmp_path / backend / "environment"
        folder.parent.mkdir()
        environment.make(made, folder, backend=backend, network=not sealed.can_seal())
        trees.append(files_of(folder / "lib"))
    assert trees[0] == trees[1]
    assert any(path.endswith("alpha/__init__.py") for path in trees[0])


@pytest.mark.parametrize("backend", get_args(environment.Backend))
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_a_foreign_wheelhouse_is_unpacked_without_running_anything_of_it(
    backend: environment.Backend, python: str, tmp_path: Path
) -> None:
    if find_python(python) is None:
        pytest.skip(f"this host has no Python {python}")
    other = "aarch64" if HERE == "x86_64" else "x86_64"
    wheelhouse = tiny_wheelhouse(tmp_path / "w", PACKAGES, other)
    _for_python(wheelhouse, python)
    made = found.find(wheelhouse, tmp_path)
    folder = tmp_path / "work" / "environment"
    folder.parent.mkdir()
    environment.make_foreign(
        made,
        folder,
        seen_as="/verify/environment",
        backend=backend,
        network=not sealed.can_seal(),
    )
    packages = folder / "lib" / f"python{python}" / "site-packages"
    assert (packages / "alpha" / "__init__.py").is_file()
    assert (folder / "bin" / "python").readlink() == Path(f"/usr/bin/python{python}")


@pytest.mark.parametrize("backend", ["uv", "pip"])
def test_a_disk_that_is_too_small_for_the_environment_is_no_fault_of_the_wheelhouse(
    backend: str, tmp_path: Path
) -> None:
    made = tiny_wheelhouse(tmp_path / "wheelhouse", {"alpha": {"alpha.py": f"{'#' * 4_000_000}\n"}}, HERE)
    (small := tmp_path / "small").mkdir()
    script = 'mount -t tmpfs -o size=1m none "$1" && export TMPDIR="$1" && shift && exec "$@"'
    verify = [
        sys.executable,
        "-m",
        "ascend_wheelhouse.verify",
        "--wheelhouse",
        str(made),
        "--backend",
        backend,
    ]
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        str(small),
        *verify,
    ]
    command += ["--report", str(tmp_path / "r")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 10, done.stdout + done.stderr
    assert f"The disk of {small}/av-all-" in done.stderr
    assert "No space left on device" in done.stderr
    assert not (tmp_path / "r/report.json").exists()


def test_a_wheel_that_is_missing_fails_the_install_with_its_name(
    wheelhouse: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    next(wheelhouse.glob("wheels/beta*")).unlink()
    code = main(["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r")])
    report = read_report(tmp_path / "r" / "report.json")
    assert code == 9
    assert [(one.probe, one.verdict) for one in report.results] == [("sealed-install", "failed")]
    assert "beta" in report.results[0].detail
    said = " ".join(capfd.readouterr().out.split())
    assert "does not install with the network cut off" in said
    assert "Next: " in said
    suite = (tmp_path / "r" / "junit.xml").read_text()
    assert re.search(r'tests="1".*name="sealed-install".*<failure.*beta', suite, re.DOTALL)


@pytest.mark.parametrize("backend", ["uv", "pip"])
def test_a_wheel_that_was_changed_fails_the_install(backend: str, wheelhouse: Path, tmp_path: Path) -> None:
    write_wheel(wheelhouse / "wheels", "beta", "1.0", {"beta.py": "VALUE = 2\n"})
    code = main(["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r"), "--backend", backend])
    detail = read_report(tmp_path / "r" / "report.json").results[0].detail.lower()
    assert code == 9
    assert "hash" in detail


def test_requiring_an_npu_ends_at_once_without_an_install(wheelhouse: Path, tmp_path: Path) -> None:
    code = main(["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r"), "--require-npu"])
    assert code == 9
    assert [one.probe for one in read_report(tmp_path / "r" / "report.json").results] == ["npu-present"]
    assert re.search(
        r'failures="1".*name="npu-present"', (tmp_path / "r" / "junit.xml").read_text(), re.DOTALL
    )


def test_what_was_not_chosen_is_named_and_keeps_the_report_from_being_whole(
    wheelhouse: Path, tmp_path: Path
) -> None:
    words = ["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r")]
    assert main([*words, "--only", "versions"]) == 0
    by_option = read_report(tmp_path / "r" / "report.json")
    assert main([*words, "--", "-k", "versions and not cann"]) == 0
    by_pytest = read_report(tmp_path / "r" / "report.json")
    for report in (by_option, by_pytest):
        assert [one.probe for one in report.results] == ["sealed-install", "versions"]
        assert {"files", "requirements", "imports"} <= set(report.conditions["left_out"])
        on_node = replace(report, host={**report.host, "npus": 8})
        assert on_node.outcome == "partial (probes left out)"
        proven = replace(report.results[0], markers=("npu",))
        whole = replace(on_node, conditions={**report.conditions, "left_out": []}, results=(proven,))
        assert whole.outcome == "verified"
    assert "left out: files" in (tmp_path / "r" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "deep-ep"], "This wheelhouse on this machine calls for: versions, files"),
        (["--", "-k", "versoins"], "No probe is left to run: -k versoins"),
        (["--", "-m", "not ("], "pytest cannot run with: -m 'not ('"),
        (["--", "--bogus"], "unrecognized arguments: --bogus"),
        (["--", "no/such/file"], "no/such/file"),
    ],
)
def test_words_that_leave_nothing_to_run_are_refused_before_anything_is_installed(
    words: list[str], said: str, wheelhouse: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--wheelhouse", str(wheelhouse), "--report", str(tmp_path / "r"), *words]) == 2
    heard = capfd.readouterr()
    assert said in " ".join(heard.err.split())
    assert "sealed install" not in heard.out
    assert not (tmp_path / "r").exists()


def test_no_wheelhouse_is_a_usage_error_with_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert "Next: `invoke wheelhouse --torch VERSION --platform PLATFORM`" in capfd.readouterr().err


def test_a_manifest_without_its_parts_is_a_usage_error(wheelhouse: Path) -> None:
    (wheelhouse / "manifest.json").write_text("{}")
    with pytest.raises(found.ManifestUnreadableError, match=r"is not a manifest"):
        found.find(wheelhouse, wheelhouse)


def test_the_newest_wheelhouse_is_taken_when_none_is_named(wheelhouse: Path) -> None:
    assert found.find(None, wheelhouse.parent).folder == wheelhouse


def test_the_wheelhouse_that_was_taken_unasked_is_named_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wheelhouse").mkdir()
    for age, name in enumerate(("newer", "older")):
        made = tiny_wheelhouse(tmp_path, PACKAGES, HERE).rename(tmp_path / "wheelhouse" / name)
        os.utime(made / "manifest.json", (1_000_000 - age, 1_000_000 - age))
    monkeypatch.chdir(tmp_path)
    assert main(["--only", "files", "--", "-k", "nothing"]) == 2
    assert "verifying newer, the newest of 2; --wheelhouse names another" in capfd.readouterr().out


def test_an_announced_failure_needs_a_reason(wheelhouse: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--wheelhouse", str(wheelhouse), "--known", "imports"]) == 2
    assert "has no reason" in capfd.readouterr().err


def test_the_same_probes_run_from_a_bundle_with_the_standard_library_alone(
    wheelhouse: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = found.find(wheelhouse, tmp_path)
    folder = tmp_path / "work" / "environment"
    folder.parent.mkdir()
    environment.make(made, folder, backend="uv", network=not sealed.can_seal())
    words = ["--environment", str(folder), "--manifest", str(wheelhouse / "manifest.json"), "--json"]
    code = node_verify.main([*words, "--report", str(tmp_path / "r"), "--only", "files", "--only", "imports"])
    answer = json.loads(capfd.readouterr().out)
    assert code == 0
    assert [(one["probe"], one["verdict"]) for one in answer["results"]] == [
        ("files", "passed"),
        ("imports", "passed"),
    ]
    assert read_report(tmp_path / "r" / "report.json").exit_code == 0


def test_verifying_on_a_node_without_a_manifest_says_which_file_to_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environment = tmp_path / "environment"
    (environment / "lib").mkdir(parents=True)
    words = ["--environment", str(environment), "--manifest", str(tmp_path / "none.json")]
    assert node_verify.main(words) == 2
    assert "Next: --manifest WHEELHOUSE/manifest.json" in capfd.readouterr().err


def test_a_reader_that_left_changes_no_exit_code(wheelhouse: Path, tmp_path: Path) -> None:
    """`nox -s verify | head` ends as every other command does; the texts had nowhere to go."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "ascend_wheelhouse.verify.program", "--wheelhouse"]
    nothing = subprocess.run([*words, tmp_path / "nothing"], stderr=writing, check=False, cwd=tmp_path)
    words += [str(wheelhouse), "--report", str(tmp_path / "reports"), "--only", "versions"]
    left = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, check=False, cwd=tmp_path)
    os.close(writing)
    assert nothing.returncode == 2
    assert (left.returncode, left.stderr) == (141, b"")
