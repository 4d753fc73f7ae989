"""What git hosts and OSV's API are asked, and what is made of their answers: real ones on the loopback."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from osv_records import osv_record
from packaging.version import Version
from small_world import World
from watched_world import STACK, look, told

from ascend_wheelhouse.base.events import Event, Note, silent
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.watch.names import dated, usable, version_text
from ascend_wheelhouse.watch.tags import TagPlace, ask_tags

pytest_plugins = ["watched_fixtures"]

NUMPY = osv_record("PYSEC-1", "numpy", {"introduced": "0"}, {"fixed": "2.4"})
ODD = osv_record("PYSEC-3", "numpy", {"introduced": "0"}, {"fixed": "after Easter"})
TQDM = osv_record("PYSEC-2", "tqdm", {"introduced": "9"})
GIT = """
[[origins]]
kind = "git"
url = "https://git.invalid/{name}.git"
ref = "v{{version}}"
"""


@contextmanager
def osv(answers: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Run a server that answers as OSV's API, from a table of project to identifiers, and note what it was asked."""
    asked: list[dict[str, Any]] = []
    records = {one["id"]: one for one in (NUMPY, TQDM, ODD)}

    class Api(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(question)
            self._send({"results": [self._row(one) for one in question["queries"]]})

        def do_GET(self) -> None:
            self._send(records[self.path.rpartition("/")[2]])

        def _row(self, query: dict[str, Any]) -> dict[str, Any]:
            found = answers.get(query["package"]["name"], {})
            return dict(found.get(query.get("page_token", ""), {}))

        def _send(self, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_osv_is_asked_for_every_version_and_each_record_judged_here(world: World) -> None:
    """It names tqdm's record although that is of another version: what counts is the record's own range."""
    answers = {
        "numpy": {"": {"vulns": [], "next_page_token": "more"}, "more": {"vulns": [{"id": "PYSEC-1"}]}},
        "tqdm": {"": {"vulns": [{"id": "PYSEC-2"}]}},
    }
    with osv(answers) as (url, asked):
        found = told(look(world, mirrors={"https://api.osv.dev/": url}))
    assert set(found) == {"vulnerable/numpy/2.0/2.4/PYSEC-1"}
    queries = {(one["package"]["name"], one["version"]) for one in asked[0]["queries"]}
    assert {("numpy", "2.0"), ("sglang", "1.0"), ("torch-npu", "2.8.0.post2")} <= queries


def test_a_range_of_osv_that_cannot_be_read_is_a_warning_as_in_an_export(world: World) -> None:
    heard: list[Event] = []
    with osv({"numpy": {"": {"vulns": [{"id": "PYSEC-3"}]}}}) as (url, _):
        assert not told(look(world, mirrors={"https://api.osv.dev/": url}, emit=heard.append))
    (warning,) = (one for one in heard if isinstance(one, Note) and one.level == "warning")
    assert "PYSEC-3: the bound 'fixed' is 'after Easter'" in warning.text


@pytest.mark.parametrize("row", [{"vulns": 7}, {"vulns": [{"id": 7}]}, {"next_page_token": 7}])
def test_an_answer_that_is_none_is_a_row(world: World, row: dict[str, Any]) -> None:
    with osv({"numpy": {"": row}}) as (url, _):
        seen = look(world, mirrors={"https://api.osv.dev/": url})
    (found,) = (one for one in seen.findings if one.id == "unreachable/osv")
    assert "OSV's API sent what is no answer of it" in found.text


def _repository(folder: Path, *tags: str) -> Path:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)

    folder.mkdir()
    git("init", "--quiet")
    git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--allow-empty", "-m", "x")
    for tag in tags:
        git("tag", tag)
    return folder


def test_tags_of_a_git_host_are_releases_and_one_that_is_silent_is_told(world: World, tmp_path: Path) -> None:
    place = _repository(tmp_path / "sglang.git", "v8.5.0", "v9.0.0", "nightly", "v9.1.0rc1")
    recipe = world.root / "recipes/sglang.toml"
    recipe.write_text(recipe.read_text().replace("[build]", f"{GIT.format(name='sglang')}\n[build]", 1))
    recipe = world.root / "recipes/torch-npu.toml"
    recipe.write_text(recipe.read_text() + GIT.format(name="gone"))
    mirrors = {
        "https://git.invalid/sglang.git": place.as_uri(),
        "https://git.invalid/gone.git": "file:///nowhere",
    }
    found = told(look(world, mirrors=mirrors))
    one = found["new/sglang/1.0/9.0.0"]
    assert (one.published, one.facts["tag"]) == ("", True)
    assert "The index has no source archive of it" in one.text
    silent_one = found["unreachable/torch-npu/git.invalid/gone.git"]
    assert silent_one.text.startswith("could not be asked: git ls-remote failed: ")
    assert silent_one.stacks == (STACK,)


def test_offline_asks_no_git_host() -> None:
    place = TagPlace(url="https://git.invalid/x.git", template="v{version}")
    found = ask_tags([place], Mirrors(), silent, offline=True)
    assert found.silent == {place.url: "--offline: git hosts were not asked"}


@pytest.mark.parametrize(
    ("template", "tag", "version"),
    [
        ("v{version}", "v1.2", "1.2"),
        ("v{version}", "1.2", ""),
        ("{version}", "nightly", ""),
        ("{version}", "", ""),
    ],
)
def test_a_tag_is_a_version_where_it_is_written_as_the_recipe_says(
    template: str, tag: str, version: str
) -> None:
    assert TagPlace(url="x", template=template).version(tag) == version


def test_a_tag_that_is_a_date_orders_with_dotted_dates() -> None:
    texts = ["20251206", "2026.01.21", "2026.9.0.post9", "20261101", "20251206.post1"]
    ordered = sorted(texts, key=lambda text: dated(Version(text)))
    assert ordered == ["20251206", "20251206.post1", "2026.01.21", "2026.9.0.post9", "20261101"]


@pytest.mark.parametrize(
    ("filename", "version", "fits"),
    [
        ("a-1.0-py3-none-any.whl", "1.0", True),
        ("a_b-1.0-1-cp311-cp311-manylinux_2_17_aarch64.whl", "1.0", True),
        ("a-1.0-cp38-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "1.0", True),
        ("a-1.0-cp311-cp311-manylinux_2_34_aarch64.whl", "1.0", False),
        ("a-1.0-cp312-cp312-manylinux_2_17_aarch64.whl", "1.0", False),
        ("a-b-1.0.tar.gz", "1.0", False),
        ("a-1.0.exe", "", False),
        ("a.whl", "", False),
    ],
)
def test_a_file_name_says_its_version_and_whether_it_fits(filename: str, version: str, fits: bool) -> None:  # noqa: FBT001
    assert version_text(filename) == version
    assert usable(filename, Target(machine="aarch64")) is fits


def test_a_mirror_on_disk_answers_no_question(world: World) -> None:
    seen = look(world, mirrors={"https://api.osv.dev/": "file:///nowhere/"})
    (row,) = (one for one in seen.findings if one.id == "unreachable/osv")
    assert "vulnerabilities are not known" in row.text
