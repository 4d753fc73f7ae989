from collections.abc import Iterator
from pathlib import Path

import pytest
from local_index import LocalIndex, serving

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.resolve.metadata import MetadataReader, RemoteWheel
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import ResolveRequest
from ascend_wheelhouse.wheels.wheel import BadWheelError

MEBIBYTE = 1 << 20
FILENAME = "big-1.0-py3-none-any.whl"


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with serving(LocalIndex(speaks_json=True)) as served:
        served.add("big", "1.0", ["small>=1"], padding=MEBIBYTE)
        yield served


def remote(index: LocalIndex) -> RemoteWheel:
    url = index.url.replace("/simple", f"/files/{FILENAME}")
    return RemoteWheel(url=url, sha256="00", size=len(index.files[FILENAME]))


@pytest.mark.parametrize("ranges", [True, False])
def test_metadata_is_read_from_the_end_of_a_wheel(index: LocalIndex, tmp_path: Path, *, ranges: bool) -> None:
    """Where ranges are refused, the wheel is read whole."""
    index.ranges = ranges
    reader = MetadataReader(Http(PipConfig()), tmp_path)
    assert b"Requires-Dist: small>=1\n" in reader.read(remote(index))
    assert (index.sent < MEBIBYTE / 4) == ranges


def test_metadata_is_asked_for_once(index: LocalIndex, tmp_path: Path) -> None:
    first = MetadataReader(Http(PipConfig()), tmp_path).read(remote(index))
    sent = index.sent
    assert MetadataReader(Http(PipConfig()), tmp_path).read(remote(index)) == first
    assert index.sent == sent


def test_what_is_no_wheel_is_refused(index: LocalIndex, tmp_path: Path) -> None:
    wheel = remote(index)
    index.files[FILENAME] = b"\0" * len(index.files[FILENAME])
    with pytest.raises(
        BadWheelError, match=r"^big-1\.0-py3-none-any\.whl: cannot be opened as a zip archive"
    ):
        MetadataReader(Http(PipConfig()), tmp_path).read(wheel)
    assert not list(tmp_path.iterdir())


def test_pip_compile_resolves_without_downloading_wheels(index: LocalIndex, tmp_path: Path) -> None:
    index.add("small", "1.0", padding=MEBIBYTE)
    resolver = PipToolsResolver(http=Http(PipConfig(index_url=index.url)), cache=tmp_path)
    answer = resolver.resolve(ResolveRequest(requirements=("big",), target=Target(machine="aarch64")))
    assert answer.versions() == {"big": "1.0", "small": "1.0"}
    assert index.sent < MEBIBYTE / 2


def test_a_damaged_wheel_is_what_pip_compile_ends_with(index: LocalIndex, tmp_path: Path) -> None:
    index.files[FILENAME] = index.files[FILENAME][:-100].ljust(len(index.files[FILENAME]), b"\0")
    resolver = PipToolsResolver(http=Http(PipConfig(index_url=index.url)), cache=tmp_path)
    with pytest.raises(BadWheelError, match=r"^big-1\.0-py3-none-any\.whl"):
        resolver.resolve(ResolveRequest(requirements=("big",), target=Target(machine="aarch64")))
