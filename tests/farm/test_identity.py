"""What a host is known by on a farm: another Python, Dask or source text makes another host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError

import pytest

from ascend_wheelhouse.farm import identity
from ascend_wheelhouse.farm.identity import own_version, tool_version


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    own_version.cache_clear()
    yield
    own_version.cache_clear()


def test_tool_python_and_dask_are_named() -> None:
    python = "{}.{}".format(*sys.version_info)
    assert own_version().startswith(f"{tool_version()}-py{python}-dask")


@pytest.mark.parametrize("what", ["Python", "Dask", "no Dask"])
def test_another_python_or_dask_is_another_host(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    before = own_version()
    own_version.cache_clear()

    def version(_name: str) -> str:
        if what == "no Dask":
            raise PackageNotFoundError
        return "1999.1.0"

    if what == "Python":
        monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    else:
        tool_version()
        monkeypatch.setattr(identity, "version", version)
    after = own_version()
    assert after != before
    assert after.startswith(f"{tool_version()}-py")
