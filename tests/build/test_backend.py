"""Real builds with a build backend of a few lines, which tells what it was given."""

from __future__ import annotations

import errno
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import uv
from making_builds import Bench
from sdists import BACKEND, PUBLISHED, built, opened, sdist
from small_wheels import wheel as small_wheel

from ascend_wheelhouse.build.backend import BackendUnusableError, EnvironmentIncompleteError
from ascend_wheelhouse.build.environment import EnvironmentFailedError, find_interpreter, install, planned
from ascend_wheelhouse.build.sandbox import Sandbox, Unsealed, find_sandbox
from ascend_wheelhouse.build.script import NetworkWantedError, StepDiskFullError, StepFailedError

LATE = '\ndef get_requires_for_build_wheel(config_settings=None): return ["late-one==1"]\n'


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(root=tmp_path / "store")


def project(folder: Path, *, requires: str = "", begins: str = "", backend: str = BACKEND) -> Path:
    """Write an sdist whose backend begins with some code."""
    text = PUBLISHED.replace("requires = []", f"requires = [{requires}]")
    return sdist(folder, {"pyproject.toml": text, "backend.py": f"{begins}\n{backend}"})


def helper(folder: Path) -> Path:
    """Write a wheel with one module, for a build environment."""
    return small_wheel(folder, {"helper.py": b"ANSWER = 42\n"}, name="helper", version="2.0")


def test_a_backend_sees_fixed_conditions_and_nothing_of_the_user(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PIP_INDEX_URL", "CFLAGS", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "/from/the/user")
    wheel = built(
        bench, project(tmp_path), env={"TELL": "all"}, repair={"carries_paths": ["server/seen.json"]}
    )
    with opened(bench, wheel, tmp_path) as archive:
        seen = json.loads(archive.read("server/seen.json"))
    assert "/from/the/user" not in seen.values()
    names = ("LC_ALL", "TZ", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "mode", "prefix")
    assert [seen[name] for name in names] == ["C.UTF-8", "UTC", "0", "1700000000", "0o644", "/build/env"]
    assert not any("site-packages" in place and sys.prefix in place for place in seen["path"])


def test_the_environment_holds_the_given_wheels(bench: Bench, tmp_path: Path) -> None:
    path = project(
        tmp_path,
        requires='"helper>=2", "never; sys_platform == \'win32\'"',
        begins="import helper; assert helper.ANSWER == 42",
    )
    assert built(bench, path, environment=[helper(tmp_path)]).filename.startswith("server-1.0+npu-")


@pytest.mark.parametrize("sandbox", [find_sandbox(), Unsealed()], ids=lambda one: one.name)
def test_an_environment_is_installed_where_this_tool_and_its_store_lie_in_folders_with_spaces(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "my tool's" / "uv"
    place.parent.mkdir()
    shutil.copy(uv.find_uv_bin(), place)
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(place))
    store = Bench(root=tmp_path / "my store").store
    wheel = helper(tmp_path)
    files = [store.artifact(wheel.name, store.add(wheel))]
    interpreter = find_interpreter("3.11")
    environment = planned(files, interpreter, store=store, sandbox=sandbox)
    install(environment, files, interpreter, store=store, sandbox=sandbox)
    assert [one.name for one in environment.folder.rglob("helper.py")] == ["helper.py"]


@pytest.mark.parametrize(
    ("requires", "backend"),
    [('"helper>2"', BACKEND), ('"absent"', BACKEND), ("", f"{LATE}{BACKEND}    import late_one\n")],
)
def test_what_the_environment_lacks_is_named(
    requires: str, backend: str, bench: Bench, tmp_path: Path
) -> None:
    backend = backend.replace(
        "    return name\n    import late_one\n", "    import late_one\n    return name\n"
    )
    path = project(tmp_path, requires=requires, backend=backend)
    with pytest.raises(
        EnvironmentIncompleteError, match=r"^server wants (helper>2|absent|late-one==1) to build"
    ) as caught:
        built(bench, path, environment=[helper(tmp_path)])
    assert caught.value.why == "The locked build environment holds helper 2.0."


def test_a_failing_backend_is_told_with_its_lines(bench: Bench, tmp_path: Path) -> None:
    path = project(tmp_path, begins="raise SystemExit('no licence file')")
    with pytest.raises(StepFailedError, match=r"^The build of server failed: ") as caught:
        built(bench, path)
    assert "no licence file" in caught.value.why


def test_what_a_backend_that_filled_its_disk_left_lies_where_the_error_says(
    bench: Bench, tmp_path: Path
) -> None:
    path = project(tmp_path, begins="open('/dev/full', 'wb', 0).write(b'x')")
    with pytest.raises(StepDiskFullError) as caught:
        built(bench, path)
    (opens, log) = re.findall(r"sh (\S+) opens a shell .* the whole log is (\S+)$", caught.value.next_step)[0]
    assert Path(opens).is_file()
    assert "No space left on device" in Path(log).read_text()


def test_a_backend_that_wants_the_network_is_told_for_which_host(bench: Bench, tmp_path: Path) -> None:
    begins = "import urllib.request\nurllib.request.urlopen('https://nowhere.test/x')"
    with pytest.raises(NetworkWantedError, match=r"wants the network: nowhere\.test"):
        built(bench, project(tmp_path, begins=begins))


@pytest.mark.parametrize(
    ("stated", "instead", "told"),
    [
        ('build-backend = "backend"', 'build-backend = "elsewhere"', "Backend 'elsewhere' is not available"),
        ("requires = []", "", "`requires` is a required property"),
        ('backend-path = ["."]', 'backend-path = ["../.."]', "paths must be inside source tree"),
    ],
)
def test_a_build_system_that_cannot_be_used_is_told(
    stated: str, instead: str, told: str, bench: Bench, tmp_path: Path
) -> None:
    text = PUBLISHED.replace(stated, instead)
    assert text != PUBLISHED
    with pytest.raises(
        BackendUnusableError, match=rf"^The build backend of server cannot be used: .*{told}[^.]*\.\n"
    ):
        built(bench, sdist(tmp_path, {"pyproject.toml": text}))


def test_a_project_without_a_project_file_wants_setuptools(bench: Bench, tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": "", "setup.py": "import setuptools; setuptools.setup()"})
    with pytest.raises(EnvironmentIncompleteError, match=r"^server wants setuptools .* to build"):
        built(bench, path)


def test_a_wheel_for_another_machine_cannot_be_part_of_the_environment(bench: Bench, tmp_path: Path) -> None:
    foreign = helper(tmp_path).rename(tmp_path / "helper-2.0-cp311-cp311-linux_s390x.whl")
    with pytest.raises(EnvironmentFailedError, match=r"^The build environment could not be installed"):
        built(bench, project(tmp_path), environment=[foreign])


def test_a_disk_that_is_full_before_the_environment_is_installed_is_told_as_such_and_nothing_stays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "echo 'cause: failed to copy: No space left on device (os error 28)' >&2; exit 2"
    monkeypatch.setattr("ascend_wheelhouse.build.environment._script", lambda *_words: said)
    interpreter = find_interpreter("3.11")
    place = planned([], interpreter, store=bench.store, sandbox=Unsealed())
    with pytest.raises(OSError, match="uv says: cause: failed to copy: No space left") as caught:
        install(place, [], interpreter, store=bench.store, sandbox=Unsealed())
    assert caught.value.errno == errno.ENOSPC
    assert not place.folder.parent.exists()


@pytest.mark.parametrize("place", ["script", "folder"])
def test_a_backend_that_fails_has_nothing_written_outside_by_way_of_a_link(
    bench: Bench, tmp_path: Path, place: str
) -> None:
    """It is asked again for what it lacked, and the script that asks was copied through the link."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine").write_text("mine")
    begins = f"""
import sys
script = Path(sys.argv[0])
away, place = (script, "{home}/mine") if "{place}" == "script" else (script.parent, "{home}")
os.rename(away, f"{{away}}.before")
os.symlink(place, away)
sys.exit(1)
"""
    with pytest.raises(StepFailedError):
        built(bench, project(tmp_path, backend=f"from pathlib import Path\nimport os\n{begins}"))
    assert [path.name for path in home.iterdir()] == ["mine"]
    assert (home / "mine").read_text() == "mine"
