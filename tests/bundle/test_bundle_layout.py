from __future__ import annotations

import io
import tarfile

import pytest
from bundle_fixtures import LONG_NAME, join
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_wheelhouse.node import layout

_PATHS = st.from_regex(r"([a-z0-9][a-z0-9._+-]{0,60}/){0,3}[a-z0-9][A-Za-z0-9._+-]{0,120}", fullmatch=True)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(_PATHS, st.binary(max_size=1500), max_size=6))
def test_any_tar_program_reads_what_the_layout_makes(files: dict[str, bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(join(files.items()))) as archive:
        found = {item.name: item for item in archive}
        contents = {name: archive.extractfile(item) for name, item in found.items()}
        assert {name: stream.read() for name, stream in contents.items() if stream} == files

    assert all((item.mode, item.uid, item.mtime, item.uname) == (0o644, 0, 0, "") for item in found.values())


def test_more_than_eight_gibibytes_are_stated_in_a_pax_record() -> None:
    size = 9 * 2**30
    block = layout.header("payloads/cann.run", size)

    with tarfile.open(fileobj=io.BytesIO(block), mode="r|") as archive:
        info = next(iter(archive))
        assert info.size == size


@pytest.mark.parametrize("length", range(85, 105))
def test_a_pax_record_counts_its_own_length(length: int) -> None:
    path = f"wheels/{'x' * (length - 7)}"

    with tarfile.open(fileobj=io.BytesIO(join([(path, b"1")]))) as archive:
        assert archive.getnames() == [path]


def test_the_installer_comes_before_the_wheels() -> None:
    paths = [LONG_NAME, "simple/index.html", "node/b.py", "install.py", "node/a.py"]

    assert layout.member_order(paths) == [
        "install.py",
        "node/a.py",
        "node/b.py",
        "simple/index.html",
        LONG_NAME,
    ]


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/passwd",
        "wheels/../../evil",
        "wheels//x",
        "./x",
        "x/.",
        ".bashrc",
        "wheels/.hidden",
        "",
        "x/",
        "a\\b",
        "a\nb",
        "a\0b",
        "a\x1b[31m",
        "wheels/t\u00f6rch.whl",
        "-rf",
        "x" * 2000,
        "~/x",
        "C:x",
    ],
)
def test_paths_that_no_wheelhouse_has_are_refused(path: str) -> None:
    with pytest.raises(layout.HostilePathError, match=r"^The bundle names the path"):
        layout.check_path(path)


@pytest.mark.parametrize(
    "path", [LONG_NAME, "wheels/torch-2.8.0+cpu-cp311.whl", "simple/_x/index.html", "a b"]
)
def test_paths_of_real_files_are_allowed(path: str) -> None:
    layout.check_path(path)
