"""Folders of wheels whose names a list of pip's or uv's would take apart, or that are relative, as pip allows."""

from pathlib import Path

import pytest
from local_index import write_wheel

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import Resolver, ResolveRequest
from ascend_wheelhouse.resolve.tool import link_of
from ascend_wheelhouse.resolve.uv import UvResolver

WANTED = ResolveRequest(requirements=("app==1.0",), target=Target(machine="aarch64"))


def _resolver(kind: str, cache: Path, *links: str) -> Resolver:
    config = PipConfig(find_links=links, no_index=True)
    if kind == "uv":
        return UvResolver(config=config)
    return PipToolsResolver(http=Http(config), cache=cache)


@pytest.mark.parametrize("kind", ["pip-tools", "uv"])
def test_an_imported_wheel_is_found_wherever_scratch_folders_are(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "my own, #1 %20 ~"
    write_wheel(folder, "app", "1.0")
    request = ResolveRequest(**{**vars(WANTED), "closed": ("app",), "find_links": (folder,)})
    assert _resolver(kind, tmp_path / "cache").resolve(request).versions() == {"app": "1.0"}


@pytest.mark.parametrize("kind", ["pip-tools", "uv"])
@pytest.mark.parametrize("link", ["mine", "./mine", "~/mine", "a,b"])
def test_a_place_of_pip_s_configuration_is_found_from_the_current_folder(
    kind: str, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("mine", "a,b"):
        write_wheel(tmp_path / name, "app", "1.0")
    assert _resolver(kind, tmp_path / "cache", link).resolve(WANTED).versions() == {"app": "1.0"}


def test_the_url_of_a_page_stays_one_place() -> None:
    assert link_of("https://links.example/a,b/") == "https://links.example/a%2Cb/"
