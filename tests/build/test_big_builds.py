"""The whole of torch_npu at its size, from git bundles that were handed over, through `invoke build torch-npu`.

A stand-in: no source of Ascend/pytorch could be had. In the suite it has 60 translation units, in `nox -s foreign`
2,000. How many the compiler was started for is counted by ccache.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from big_clone import ASKED, MEMORY_MB, Clone, Killed, clone_of, killed_and_gone_on

from ascend_wheelhouse.build.jobserver import host_memory_mb, share

UNITS = 2000 if os.environ.get("WHEELHOUSE_LONG_TESTS") else 60
FINISHED = UNITS // 3
pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("ccache", "cmake", "ninja", "gcc"))),
        reason="ccache, cmake, ninja or gcc is missing",
    ),
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return clone_of(tmp_path_factory.mktemp("big"), UNITS)


@pytest.fixture(scope="module")
def killed(clone: Clone) -> Killed:
    return killed_and_gone_on(clone, FINISHED)


def wheel_of(out: str) -> Path:
    return Path(json.loads(out)["path"])


def test_a_build_that_was_killed_goes_on_with_what_it_had_compiled(killed: Killed) -> None:
    found, objects = map(
        int, re.findall(r"torch-npu: (\d+) of (\d+) objects had been compiled", killed.err)[0]
    )
    assert killed.finished >= FINISHED
    assert found + ASKED >= killed.finished
    # cmake's own trials, the stub library and init.cpp are compiled, too
    assert UNITS < objects < UNITS + 20
    assert killed.compiled < objects + 20


def test_the_wheel_holds_the_library_of_all_units(killed: Killed, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel_of(killed.out)) as opened:
        opened.extractall(tmp_path)
    code = "from torch_npu import _C; print(_C.operators(), _C.edition())"
    hccl = tmp_path / "hccl"
    hccl.mkdir()
    (hccl / "hccl.c").write_text("int HcclGetRankId(void) { return 0; }\n")
    library = ["gcc", "-shared", "-fPIC", "-o", str(hccl / "libhccl.so"), str(hccl / "hccl.c")]
    subprocess.run(library, check=True)
    env = {"PYTHONPATH": str(tmp_path), "LD_LIBRARY_PATH": str(hccl)}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(UNITS - 2), "1"]


def test_no_more_compilers_run_than_memory_has_space_for(killed: Killed) -> None:
    (jobs,) = re.findall(r"compiling with (\d+) jobs", killed.log)
    cores = len(os.sched_getaffinity(0))
    assert int(jobs) == share(cores, builds=1, memory_mb=host_memory_mb(), per_job_mb=MEMORY_MB)


@pytest.mark.skipif(UNITS < 2000, reason="a build of seconds: nox -s foreign")
def test_the_time_that_is_left_is_told(killed: Killed) -> None:
    lines = [json.loads(line) for line in killed.err.splitlines() if line.startswith("{")]
    assert any(row.get("left") for row in lines)


def test_a_build_of_what_is_known_starts_no_compiler(clone: Clone, killed: Killed) -> None:
    out, err = clone.build("--json")
    assert clone.compiled() == killed.compiled
    assert wheel_of(out) == wheel_of(killed.out)
    assert '"outcome": "cached"' in err
    assert not any((clone.store / "builds").iterdir())


@pytest.mark.usefixtures("killed")
def test_after_a_change_of_one_file_one_object_is_compiled(clone: Clone) -> None:
    assert clone.compiled_after_a_change(2) == 1 + ASKED


def test_an_incremental_build_is_marked_in_what_the_command_prints(clone: Clone) -> None:
    clone.names(clone.source.changed(3))
    clone.hand_over()
    told = json.loads(clone.build("--incremental", "--json")[0])
    assert told["incremental"] is True
    assert told["filename"].startswith("torch_npu-2.8.0.post2-0incremental-")
    assert "; incremental: " in told["note"]
    out, _ = clone.build("--incremental")
    assert out.startswith(f"{told['filename']}  (incremental: ")
    assert json.loads(clone.build("--json")[0])["incremental"] is False
