"""Real builds with a build backend of a few lines, which tells what it was given."""

import json
import sys
from pathlib import Path

import pytest
from small_wheels import wheel as small_wheel

from ascend_wheelhouse.build.frontend import (
    BackendFailedError,
    EnvironmentIncompleteError,
    EnvironmentNotInstallableError,
    build_wheel,
)
from ascend_wheelhouse.wheels.wheel import WheelFile

PYTHON = Path(sys.executable)
BACKEND = """
import json, os, stat, sys, zipfile
from pathlib import Path
def get_requires_for_build_wheel(config_settings=None):
    return {extra!r}
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    {body}
    Path("probe").touch()
    seen = dict(os.environ, path=sys.path, mode=oct(stat.S_IMODE(os.stat("probe").st_mode)))
    info = "thing-1.0.dist-info"
    with zipfile.ZipFile(Path(wheel_directory) / "thing-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("thing.json", json.dumps(seen))
        archive.writestr(f"{{info}}/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1.0\\n")
        archive.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        archive.writestr(f"{{info}}/RECORD", "")
    return "thing-1.0-py3-none-any.whl"
"""


def project(folder: Path, *, requires: str = "", extra: tuple[str, ...] = (), body: str = "pass") -> Path:
    """Write a project with a backend of its own."""
    folder.mkdir()
    table = f'[build-system]\nrequires = [{requires}]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (folder / "pyproject.toml").write_text(table, encoding="utf-8")
    (folder / "backend.py").write_text(BACKEND.format(extra=list(extra), body=body), encoding="utf-8")
    return folder


def helper_wheel(folder: Path) -> Path:
    """Write a wheel with one module, for a build environment."""
    return small_wheel(folder, {"helper.py": b"ANSWER = 42\n"}, name="helper", version="2.0")


def test_a_backend_sees_fixed_conditions_and_nothing_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PIP_INDEX_URL", "CFLAGS", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "/from/the/user")
    built = build_wheel(
        project(tmp_path / "p"), requirements=[], out=tmp_path, env={"SOURCE_DATE_EPOCH": "7"}, python=PYTHON
    )
    with WheelFile.open(built) as wheel:
        seen = json.loads(wheel.read("thing.json"))
    assert built.parent == tmp_path
    assert "/from/the/user" not in seen.values()
    assert {seen[name] for name in ("LC_ALL", "TZ", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "mode")} == {
        "C.UTF-8",
        "UTC",
        "0",
        "7",
        "0o644",
    }
    assert not [
        place for place in seen["path"] if "site-packages" in place and str(PYTHON.parents[1]) in place
    ]


def test_the_environment_holds_the_given_wheels(tmp_path: Path) -> None:
    source = project(
        tmp_path / "p",
        requires='"helper>=2"',
        extra=("helper<3", "never; sys_platform == 'win32'"),
        body="import helper; assert helper.ANSWER == 42",
    )
    wheel = helper_wheel(tmp_path)
    assert build_wheel(source, requirements=[wheel], out=tmp_path, env={}, python=PYTHON).is_file()


@pytest.mark.parametrize(
    ("requires", "extra"), [('"helper>2"', ()), ('"absent"', ()), ("", ("late-one==1",))]
)
def test_what_the_environment_lacks_is_named(tmp_path: Path, requires: str, extra: tuple[str, ...]) -> None:
    source = project(tmp_path / "p", requires=requires, extra=extra, body="import late_one")
    wheel = helper_wheel(tmp_path)
    with pytest.raises(EnvironmentIncompleteError, match=r"^p wants (helper>2|absent|late-one==1) to build"):
        build_wheel(source, requirements=[wheel], out=tmp_path, env={}, python=PYTHON)


def test_a_failing_backend_is_told_with_its_last_lines(tmp_path: Path) -> None:
    source = project(tmp_path / "p", body="raise SystemExit('no licence file')")
    with pytest.raises(BackendFailedError, match=r"^The build backend of p failed") as caught:
        build_wheel(source, requirements=[], out=tmp_path, env={}, python=PYTHON)
    assert "no licence file" in caught.value.why


def test_a_wheel_for_another_machine_cannot_be_part_of_the_environment(tmp_path: Path) -> None:
    foreign = helper_wheel(tmp_path).rename(tmp_path / "helper-2.0-cp311-cp311-linux_s390x.whl")
    with pytest.raises(
        EnvironmentNotInstallableError, match=r"^The build environment could not be installed"
    ):
        build_wheel(project(tmp_path / "p"), requirements=[foreign], out=tmp_path, env={}, python=PYTHON)
