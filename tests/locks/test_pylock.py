from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import (
    LockedFile,
    dump_pylock,
    dump_requirements,
    environment,
    load_pylock,
)
from ascend_wheelhouse.locks.pylock_model import InvalidPylockError

ARM = Target(machine="aarch64")
TORCH = LockedFile(
    name="torch",
    version="2.8.0",
    artifact=Artifact(
        filename="torch-2.8.0-cp311-cp311-manylinux_2_28_aarch64.whl", size=102, sha256="aa" * 32
    ),
    component="torch",
    via=("torch-npu",),
)
TORCH_NPU = LockedFile(
    name="torch-npu",
    version="2.8.0.post2",
    artifact=Artifact(
        filename="torch_npu-2.8.0.post2-cp311-cp311-manylinux_2_28_aarch64.whl", size=23, sha256="bb" * 32
    ),
    component="torch-npu",
    origin="extra-index",
)
TOOL = {"schema": 1, "cell": {"torch": "2.8.0"}, "inputs": {"requirements": ["torch==2.8.0"]}}


def written(folder: Path, text: str) -> Path:
    path = folder / "stack" / "pylock.aarch64.toml"
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    return path


def test_a_lock_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path, dump_pylock([TORCH_NPU, TORCH], ARM, tool=TOOL))
    parsed = load_pylock(path)
    assert parsed.files == (TORCH, TORCH_NPU)
    assert parsed.tool == TOOL


def test_equal_locks_are_equal_texts() -> None:
    assert dump_pylock([TORCH, TORCH_NPU], ARM, tool=TOOL) == dump_pylock([TORCH_NPU, TORCH], ARM, tool=TOOL)
    assert dump_requirements([TORCH, TORCH_NPU]) == dump_requirements([TORCH_NPU, TORCH])


def test_the_lock_names_its_machine_its_python_and_local_paths() -> None:
    text = dump_pylock([TORCH], ARM, tool={})
    assert 'requires-python = "==3.11.*"' in text
    assert f'path = "wheels/{TORCH.filename}"' in text
    assert "http" not in text


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_the_environment_holds_on_the_target_alone(machine: str) -> None:
    marker: Marker = environment(ARM)
    assert marker.evaluate(Target.named(machine).markers) == (machine == "aarch64")


def test_requirements_are_in_the_hashed_form_of_pip_tools() -> None:
    assert dump_requirements([TORCH, TORCH_NPU]).splitlines()[4:] == [
        "torch==2.8.0 \\",
        f"    --hash=sha256:{'aa' * 32}",
        "    # via torch-npu",
        "torch-npu==2.8.0.post2 \\",
        f"    --hash=sha256:{'bb' * 32}",
    ]


def test_several_requirers_stand_on_lines_of_their_own() -> None:
    artifact = Artifact(filename="numpy-2.0-py3-none-any.whl", size=1, sha256="cc" * 32)
    shared = LockedFile(name="numpy", version="2.0", artifact=artifact, via=("scipy", "torch"))
    assert dump_requirements([shared]).splitlines()[-3:] == ["    # via", "    #   scipy", "    #   torch"]


def test_every_problem_of_a_lock_is_told_at_once(tmp_path: Path) -> None:
    text = dump_pylock([TORCH, TORCH_NPU], ARM, tool=TOOL)
    text = text.replace('name = "torch"\n', 'name = "Torch"\n', 1).replace("size = 23", "size = -1")
    text = text.replace(f'"{"aa" * 32}"', '"00"').replace("wheels/torch_npu", "/elsewhere/torch_npu")
    with pytest.raises(InvalidPylockError) as caught:
        load_pylock(written(tmp_path, text))
    places = {(problem.file, problem.key) for problem in caught.value.problems}
    assert places == {
        ("stack/pylock.aarch64.toml", key)
        for key in (
            "packages[1].name",
            "packages[1].wheels[1].hashes.sha256",
            "packages[2].wheels[1].path",
            "packages[2].wheels[1].size",
        )
    }


def test_a_file_of_another_name_or_version_is_refused(tmp_path: Path) -> None:
    text = dump_pylock([TORCH], ARM, tool=TOOL).replace('version = "2.8.0"', 'version = "2.8.1"')
    with pytest.raises(
        InvalidPylockError, match=r"wheels\[1\]\.path: is a wheel of torch 2\.8\.0, not torch 2\.8\.1"
    ):
        load_pylock(written(tmp_path, text))


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPylockError, match=r"'torch' stands 2 times"):
        load_pylock(written(tmp_path, dump_pylock([TORCH, TORCH], ARM, tool=TOOL)))


def test_an_origin_that_is_no_text_is_refused(tmp_path: Path) -> None:
    text = dump_pylock([TORCH], ARM, tool=TOOL)
    assert 'origin = "index"' in text
    with pytest.raises(InvalidPylockError, match=r"origin"):
        load_pylock(written(tmp_path, text.replace('origin = "index"', 'origin = ["index"]')))


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPylockError, match=r"^stack/pylock\.aarch64\.toml: not TOML"):
        load_pylock(written(tmp_path, "["))


_NAMES = st.from_regex(r"\A[a-z][a-z0-9]{0,6}\Z")
_FILES = st.lists(
    st.tuples(_NAMES, st.integers(1, 99), st.integers(1, 2**40), st.binary(min_size=32, max_size=32)),
    unique_by=lambda row: row[0],
    max_size=6,
)


@settings(max_examples=20, deadline=None)
@given(rows=_FILES, data=st.data())
def test_any_lock_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, int, int, bytes]],
    data: st.DataObject,
) -> None:
    names = sorted(row[0] for row in rows)
    files = tuple(
        LockedFile(
            name=name,
            version=f"{major}.0+npu",
            artifact=Artifact(
                filename=f"{name}-{major}.0+npu-py3-none-any.whl", size=size, sha256=digest.hex()
            ),
            via=tuple(sorted(data.draw(st.sets(st.sampled_from(names))))),
        )
        for name, major, size, digest in sorted(rows)
    )
    path = written(tmp_path_factory.mktemp("lock"), dump_pylock(files, ARM, tool=TOOL))
    assert load_pylock(path).files == files
