from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_index import LocalIndex, serving

from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import Resolver
from ascend_wheelhouse.resolve.uv import UvResolver

MakeResolver = Callable[[str], Resolver]


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with serving(LocalIndex()) as served:
        yield served


@pytest.fixture(params=["pip-tools", "uv"])
def make_resolver(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeResolver:
    """A function from an index URL to a resolver, once for each kind of resolver."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))

    def make(url: str) -> Resolver:
        config = PipConfig(index_url=url, retries=0)
        if request.param == "uv":
            return UvResolver(config=config)
        return PipToolsResolver(http=Http(config), cache=tmp_path / "pip-tools")

    return make


@pytest.fixture
def resolver(make_resolver: MakeResolver, index: LocalIndex) -> Resolver:
    """Each kind of resolver, asking the local index."""
    return make_resolver(index.url)
