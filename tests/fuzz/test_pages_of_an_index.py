"""Whatever the pages of an index or a mirror hold, a reader takes files from them or refuses them, in any thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from desks import Desk
from hypothesis import given
from hypothesis import strategies as st
from index_server import Index, client, serving
from outcome import require_error, require_told
from spoiling import ShortlyShown, fuzzed, jsons, texts_of

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, FoundFile
from ascend_wheelhouse.resolve.metadata import MetadataReader
from ascend_wheelhouse.resolve.request import ResolveRequest
from ascend_wheelhouse.resolve.view import IndexView

pytest_plugins = ["desk_fixtures"]
ARM = Target(machine="aarch64")
PLACE = "/simple/torch/"
NAME = "torch-2.8.0-py3-none-any.whl"
JSON = "application/vnd.pypi.simple.v1+json"
PAGE: dict[str, Any] = {
    "meta": {"api-version": "1.1"},
    "name": "torch",
    "files": [
        {
            "filename": NAME,
            "url": f"../../files/{NAME}",
            "hashes": {"sha256": "1" * 64},
            "size": 9,
            "upload-time": "2025-01-01T00:00:00Z",
            "requires-python": ">=3.9",
            "yanked": False,
            "core-metadata": {"sha256": "2" * 64},
        },
        {"filename": "torch-2.8.0.tar.gz", "url": "torch-2.8.0.tar.gz", "hashes": {}},
    ],
}
HTML = f"""<!DOCTYPE html><html><head><base href="../../files/"></head><body>
<a href="{NAME}#sha256={"1" * 64}" data-requires-python="&gt;=3.9" data-core-metadata="sha256={"2" * 64}"
 data-upload-time="2025-01-01T00:00:00Z">{NAME}</a><br>
<a href="torch-2.8.0.tar.gz" data-yanked="">torch-2.8.0.tar.gz</a></body></html>""".encode()
ODD_HTML = [
    HTML.replace(b"2025-01-01T00:00:00Z", b"yesterday"),
    HTML.replace(b"../../files/", b"http://[::1"),
    HTML.replace(b'href="torch', b'href="http://[/torch', 1),
    HTML.replace(b"<body>", b"<![odd[ <body>"),
    HTML.replace(b"&gt;=3.9", b"&gt;=banana"),
    HTML.replace(b"1" * 64, b"../../up"),
]
"""What no damage by chance comes to soon."""
pages = st.tuples(st.just(JSON), jsons(PAGE)) | st.tuples(
    st.sampled_from(["text/html", "text/html", "text/html; charset=utf-8", JSON, "", "image/png"]),
    texts_of(HTML) | st.sampled_from(ODD_HTML),
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Served(ShortlyShown):
    """An index whose page is anything, and a client of it that tries once."""

    index: Index
    http: Http

    def show(self, page: tuple[str, bytes]) -> None:
        """Have the index serve this page."""
        self.index.raw[PLACE] = page
        self.index.asked.clear()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """The index and its client."""
    with serving() as index, client(index, retries=0) as http:
        index.raw[f"/files/{NAME}"] = ("application/zip", b"no wheel.")
        yield Served(index=index, http=http)


@fuzzed
@given(page=pages)
def test_any_page_gives_files_or_is_refused(served: Served, page: tuple[str, bytes]) -> None:
    served.show(page)
    finder = Finder(served.http)
    try:
        found = [finder.find_file("torch", "2.8.0", ARM), *finder.where("torch", NAME, "1" * 64)]
    except WheelhouseError as error:
        require_error(error)
    else:
        assert isinstance(found[0], FoundFile)
        assert found[0].filename.startswith("torch-2.8.0")


@fuzzed
@given(page=pages)
def test_any_page_is_handed_on_to_a_resolver_or_told(
    served: Served, tmp_path_factory: pytest.TempPathFactory, page: tuple[str, bytes]
) -> None:
    served.show(page)
    request = ResolveRequest(requirements=("torch",), target=ARM)
    reader = MetadataReader(served.http, tmp_path_factory.getbasetemp() / "kept")
    view = IndexView(request, served.http, reader)
    files = view.files("torch")
    assert json.loads(json.dumps(files).encode()) == files
    assert all("/" not in file["filename"] for file in files)
    for file in files:
        if file["url"].startswith("/wheel/"):
            assert view.metadata(file["url"].split("/")[2]) is None
    for error in view.failures:
        require_error(error)


@pytest.mark.parametrize("resolver", ["pip-tools", "uv"])
@pytest.mark.parametrize(
    "page",
    [(JSON, b'{"files": [7]}'), (JSON, b"[" * 5000), ("text/html", ODD_HTML[0]), ("text/html", ODD_HTML[1])],
    ids=["a number for a file", "deep JSON", "no time", "no URL"],
)
def test_a_lock_from_a_page_that_is_garbage_ends_with_a_code_and_no_traceback(
    desk: Desk, resolver: str, page: tuple[str, bytes]
) -> None:
    world = desk.world
    kept = {path: path.read_bytes() for path in world.root.glob("lockfiles/*/*")}
    world.index.raw[PLACE] = page
    try:
        ended = desk.invoke(
            "lock", "--torch=2.8.0", "--platform=aarch64", "--upgrade", f"--resolver={resolver}"
        )
    finally:
        del world.index.raw[PLACE]
    require_told(ended)
    assert ended.status in {3, 4}
    assert kept == {path: path.read_bytes() for path in world.root.glob("lockfiles/*/*")}
    assert Path.cwd() == world.root
