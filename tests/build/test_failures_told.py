"""What a build that failed says: where its log is, what it left, and what to type."""

from __future__ import annotations

import pickle
import shlex
import subprocess
from pathlib import Path

import pytest
from making_builds import cell
from tiny import tiny_job

from ascend_wheelhouse.base.errors import BuildError, file_trouble
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.making import ArtifactsError, WrongWheelError
from ascend_wheelhouse.build.sandbox import find_sandbox
from ascend_wheelhouse.build.script import (
    MemoryLackedError,
    NetworkWantedError,
    StepDiskFullError,
    StepFailedError,
)
from ascend_wheelhouse.build.toolchain import find_toolchain
from ascend_wheelhouse.build.worker import again, told

CELL = cell({"torch": "2.8.0"})


@pytest.fixture(autouse=True)
def _shared_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process of a build import what the tests share."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))


def failure(root: Path, line: str, **table: object) -> BuildError:
    """Return how a build of the tiny component ends where a shell line stands before its own steps."""
    job, store = tiny_job(root, CELL, ("sh", "-c", line), **table)
    with pytest.raises(BuildError) as caught:
        Builder(store=store, sandbox=find_sandbox(), emit=silent).build(job, find_toolchain({}))
    return caught.value


@pytest.mark.parametrize(
    "line",
    [
        "sed -i s/1[.]0/1.1/g make.py",
        'sed -i \'s%"gcc",%"gcc", "-Wl,-rpath,/opt/elsewhere",%\' make.py',
        (
            'sed -i \'s%"gcc",%"gcc", "-Wl,--no-as-needed", "-L.", "-lnowhere",%\' make.py; '
            "gcc -shared -x c /dev/null -o libnowhere.so -Wl,-soname,libnowhere.so"
        ),
    ],
    ids=["another version", "rpath", "library"],
)
def test_what_the_steps_left_is_told_where_the_build_fails_after_them(tmp_path: Path, line: str) -> None:
    """The steps of torch_npu take an hour: their wheel and their log are there, and were told by no word."""
    error = failure(tmp_path / "a store", line)
    wheel, log = shlex.split(error.next_step.rpartition("; the steps left ")[2])
    assert Path(wheel.removesuffix(",")).stat().st_size > 0
    assert Path(log).name == "build.log"
    assert Path(log).is_file()


def test_a_step_that_leaves_no_wheel_names_its_log(tmp_path: Path) -> None:
    error = failure(tmp_path, "true", artifacts=["elsewhere/*.whl"])
    (log,) = shlex.split(error.next_step.rpartition("; the steps left ")[2])
    assert Path(log).is_file()


def test_the_shell_of_a_failure_opens_from_a_store_with_a_space_in_its_path(tmp_path: Path) -> None:
    error = failure(tmp_path / "my störe", "exit 7")
    words = shlex.split(error.next_step)
    done = subprocess.run(words[:2], input="pwd\n", capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["/build/source"]
    assert Path(words[-1]).name == "build.log"
    assert Path(words[-1]).is_file()


def test_a_file_under_no_wheel_s_name_is_told_by_it(tmp_path: Path) -> None:
    error = failure(tmp_path, 'sed -i \'s%^tag =%open("dist/latest.whl", "w").close(); tag =%\' make.py')
    assert type(error) is WrongWheelError
    assert "left latest.whl, which is no name of a wheel" in error.what


@pytest.mark.parametrize(
    "last",
    [
        'open(path, "w").write("half")',
        (
            "archive = zipfile.ZipFile(path); "
            'kept = [(one, archive.read(one)) for one in archive.namelist() if not one.endswith("/WHEEL")]; '
            'made = zipfile.ZipFile(path, "w"); [made.writestr(*one) for one in kept]; made.close()'
        ),
    ],
    ids=["no archive", "without WHEEL"],
)
def test_a_file_that_is_no_wheel_inside_is_a_fault_of_the_build(tmp_path: Path, last: str) -> None:
    line = f"import glob, zipfile; path = glob.glob('dist/*.whl')[0]; {last}"
    error = failure(tmp_path, f"echo {shlex.quote(line)} >> make.py")
    assert type(error) is WrongWheelError
    assert "which is no wheel inside" in error.what


def test_neither_a_folder_nor_a_link_to_a_file_of_the_host_is_a_wheel_of_the_build(tmp_path: Path) -> None:
    """A link is followed on the host, where it leads to files that the build could not see."""
    host = tmp_path / "host.whl"
    host.write_bytes(b"of the host")
    name = "tiny-1.0-cp311-cp311-linux_x86_64.whl"
    error = failure(
        tmp_path, f"mkdir -p elsewhere/a.whl; ln -s {host} elsewhere/{name}", artifacts=["elsewhere/*.whl"]
    )
    assert type(error) is ArtifactsError
    assert "left no wheel" in error.what


@pytest.mark.parametrize(
    "line",
    ["echo 'g++: fatal error: Killed signal terminated program cc1plus'; exit 1", "kill -9 $$"],
    ids=["compiler", "step"],
)
def test_a_build_that_ran_out_of_memory_says_how_to_take_less(tmp_path: Path, line: str) -> None:
    error = failure(tmp_path, line)
    assert type(error) is MemoryLackedError
    assert "raise `memory_mb` (64 now) in the [build] table of recipes/tiny.toml" in error.next_step


def test_a_step_that_filled_its_disk_is_told_as_a_full_disk(tmp_path: Path) -> None:
    job, store = tiny_job(tmp_path, CELL, ("sh", "-c", "getent hosts files.test; cat make.py > /dev/full"))
    with pytest.raises(StepDiskFullError) as caught:
        Builder(store=store, sandbox=find_sandbox(), emit=silent).build(job, find_toolchain({}))
    assert caught.value.exit_code == 10
    assert "No space left on device" in caught.value.why
    assert "opens a shell in the same sandbox; the whole log is " in caught.value.next_step


def test_a_compiler_s_error_is_told_before_what_the_build_had_asked_of_the_network(tmp_path: Path) -> None:
    """Many a script looks for a newer release and goes on without an answer."""
    asks = "getent hosts files.test || true; "
    error = failure(tmp_path, f"{asks}echo 'int f() {{ return missing; }}' > x.c; gcc -c x.c")
    assert type(error) is StepFailedError
    assert "\u2018missing\u2019 undeclared" in error.why
    assert "It had also asked for files.test" in error.why
    error = failure(tmp_path / "header", f"{asks}echo '#include <fetched.h>' > x.c; gcc -c x.c")
    assert type(error) is NetworkWantedError


def test_what_the_system_refuses_a_build_is_told_with_the_file() -> None:
    """A build is a process of its own, and its error came over without the name: a fault of this tool was told."""
    with pytest.raises(NotADirectoryError) as refused:
        Path(__file__, "objects").mkdir()
    there = again(*pickle.loads(pickle.dumps(told(refused.value))))  # noqa: S301 - made here
    assert isinstance(there, NotADirectoryError)
    assert file_trouble(there).what == f"{__file__}/objects: Not a directory."
    assert (there.errno, str(there)) == (refused.value.errno, str(refused.value))
