from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from index_server import FakeClock, Index, client, html_page, serving, status, wheel_bytes
from packaging.utils import parse_wheel_filename

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import (
    Finder,
    IndexPin,
    LockedFileChangedError,
    LockedFileGoneError,
    NoFileForTargetError,
    UnknownProjectError,
)
from ascend_wheelhouse.origins.page import NotAnIndexError

pytest_plugins = ["fetch_fixtures"]

_ARM = Target(machine="aarch64")
_PURE = "pkg-1.0-py3-none-any.whl"


@pytest.fixture(params=["html", "json"])
def index(index: Index, request: pytest.FixtureRequest) -> Index:
    """Every test runs against both languages of the simple index."""
    index.speaks_json = request.param == "json"
    return index


def test_the_file_is_found_with_digest_size_and_upload_time(index: Index, http: Http) -> None:
    file = index.offer(_PURE, wheel_bytes("pkg", "1.0"), upload_time="2026-01-24T10:00:00Z")
    found = Finder(http).find_file("Pkg", "1.0", _ARM)
    assert (found.name, found.version, found.filename) == ("pkg", "1.0", _PURE)
    assert (found.sha256, found.size, found.origin) == (file.sha256, len(file.content), "index")
    assert found.url == index.file_url(_PURE)
    assert found.upload_time == datetime(2026, 1, 24, 10, tzinfo=UTC)
    assert not found.yanked


def test_the_size_is_asked_for_only_where_the_page_does_not_say_it(index: Index, http: Http) -> None:
    index.offer(_PURE, wheel_bytes("pkg", "1.0"))
    Finder(http).find_file("pkg", "1.0", _ARM)
    assert len(index.requests_for(_PURE, "HEAD")) == (0 if index.speaks_json else 1)


def test_a_file_without_a_digest_is_read_for_it(index: Index, http: Http) -> None:
    file = index.offer(_PURE, wheel_bytes("pkg", "1.0"), sha256=None)
    found = Finder(http).find_file("pkg", "1.0", _ARM)
    assert found.sha256 == hashlib.sha256(file.content).hexdigest()
    assert found.size == len(file.content)


def test_the_wheel_with_the_best_tag_for_the_target_is_chosen(index: Index, http: Http) -> None:
    best = "pkg-1.0-cp311-cp311-manylinux_2_28_aarch64.whl"
    for filename in (
        _PURE,
        "pkg-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
        "pkg-1.0-cp311-cp311-manylinux_2_34_aarch64.whl",
        "pkg-1.0-cp312-cp312-manylinux_2_28_aarch64.whl",
        "pkg-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "pkg-1.0-cp39-abi3-manylinux_2_28_aarch64.whl",
        "pkg-1.0-cp311-cp311-musllinux_1_2_aarch64.whl",
        best,
        "pkg-1.0.tar.gz",
    ):
        index.offer(filename, filename.encode())
    assert Finder(http).find_file("pkg", "1.0", _ARM).filename == best


def test_the_higher_build_number_is_chosen(index: Index, http: Http) -> None:
    for filename in ("pkg-1.0-2-py3-none-any.whl", "pkg-1.0-10-py3-none-any.whl", _PURE):
        index.offer(filename, filename.encode())
    assert Finder(http).find_file("pkg", "1.0", _ARM).filename == "pkg-1.0-10-py3-none-any.whl"


@pytest.mark.parametrize(
    "builds", [["", "-0"], ["-0", "-0a"], ["-1", "-1a"], ["-1a", "-1b", "-1aa"], ["-1b", "-2"]]
)
def test_the_later_of_two_build_tags_is_chosen_as_by_pip(builds: list[str], index: Index, http: Http) -> None:
    for build in builds:
        index.offer(f"pkg-1.0{build}-py3-none-any.whl", build.encode())
    best = max((parse_wheel_filename(f"pkg-1.0{build}-py3-none-any.whl")[2], build) for build in builds)
    assert Finder(http).find_file("pkg", "1.0", _ARM).filename == f"pkg-1.0{best[1]}-py3-none-any.whl"


def test_an_sdist_is_taken_only_when_asked_for(index: Index, http: Http) -> None:
    index.offer("pkg-1.0.tar.gz", b"source")
    with pytest.raises(NoFileForTargetError, match=r"^pkg 1\.0 has no wheel for manylinux_2_28_aarch64"):
        Finder(http).find_file("pkg", "1.0", _ARM)
    assert Finder(http).find_file("pkg", "1.0", _ARM, sdist=True).filename == "pkg-1.0.tar.gz"


def test_a_version_without_a_wheel_tells_those_that_have_one(index: Index, http: Http) -> None:
    for version in ("1.9", "1.10", "2.0"):
        index.offer(f"pkg-{version}-py3-none-any.whl", version.encode())
    index.offer("pkg-3.0-cp311-cp311-manylinux_2_28_x86_64.whl", b"3")
    with pytest.raises(NoFileForTargetError) as caught:
        Finder(http).find_file("pkg", "3.0", _ARM)
    assert caught.value.exit_code == 3
    assert caught.value.why == "These versions have one: 1.9, 1.10, 2.0."


def test_a_version_for_a_newer_glibc_alone_says_for_which(index: Index, http: Http) -> None:
    index.offer("pkg-1.0-cp311-cp311-manylinux_2_34_aarch64.whl", wheel_bytes("pkg", "1.0"))
    with pytest.raises(NoFileForTargetError, match=r"it has one for glibc 2\.34 and newer\.") as caught:
        Finder(http).find_file("pkg", "1.0", _ARM)
    assert caught.value.next_step.startswith("--glibc 2.34 ")


def test_a_version_without_a_source_archive_tells_the_newest_that_has_one(index: Index, http: Http) -> None:
    index.offer("pkg-1.0.tar.gz", b"x")
    index.offer("pkg-2.0-py3-none-any.whl", wheel_bytes("pkg", "2.0"))
    with pytest.raises(NoFileForTargetError, match=r"^pkg 2\.0 has no source archive on the index") as caught:
        Finder(http).find_file("pkg", "2.0", _ARM, sdist=True)
    assert caught.value.why == "The newest that has one is 1.0."


def test_a_version_spelt_in_another_way_is_found(index: Index, http: Http) -> None:
    index.offer("pkg-1.0.0-py3-none-any.whl", b"1")
    assert Finder(http).find_file("pkg", "1.0", _ARM).filename == "pkg-1.0.0-py3-none-any.whl"


def test_a_local_version_is_taken_only_when_named(index: Index, http: Http) -> None:
    index.offer("pkg-1.0+cpu-py3-none-any.whl", b"cpu")
    index.offer(_PURE, b"cuda")
    finder = Finder(http)
    assert finder.find_file("pkg", "1.0", _ARM).filename == _PURE
    assert finder.find_file("pkg", "1.0+cpu", _ARM).filename == "pkg-1.0+cpu-py3-none-any.whl"


def test_a_yanked_file_is_found_when_pinned_and_marked(index: Index, http: Http) -> None:
    index.offer(_PURE, b"bad", yanked="broken")
    index.offer("pkg-0.9-py3-none-any.whl", b"good")
    finder = Finder(http)
    assert finder.find_file("pkg", "1.0", _ARM).yanked
    assert finder.versions("pkg", _ARM) == ["0.9"]


def test_a_yanked_file_is_not_taken_before_one_with_a_lesser_tag(index: Index, http: Http) -> None:
    index.offer("pkg-1.0-cp311-cp311-manylinux_2_28_aarch64.whl", b"bad", yanked="broken")
    index.offer(_PURE, b"good")
    assert Finder(http).find_file("pkg", "1.0", _ARM).filename == _PURE


@pytest.mark.filterwarnings("ignore:.*suffix can only:FutureWarning")
@pytest.mark.parametrize("said", [">=3.12", ">=3.12.*"], ids=["PEP 440", "as once written"])
def test_a_file_for_a_newer_python_is_not_taken(index: Index, http: Http, said: str) -> None:
    index.offer(_PURE, b"new", requires_python=said)
    with pytest.raises(NoFileForTargetError):
        Finder(http).find_file("pkg", "1.0", _ARM)


@pytest.mark.parametrize("said", ["3.8+", ">=3.8,nonsense"])
def test_a_python_that_nobody_can_read_keeps_no_file_out_as_for_pip(
    index: Index, http: Http, said: str
) -> None:
    index.offer(_PURE, wheel_bytes("pkg", "1.0"), requires_python=said)
    assert Finder(http).find_file("pkg", "1.0", _ARM).filename == _PURE


def test_files_uploaded_later_do_not_exist(index: Index, http: Http) -> None:
    index.offer("pkg-1.0-py3-none-any.whl", b"old", upload_time="2026-01-24T00:00:00Z")
    index.offer("pkg-2.0-py3-none-any.whl", b"new", upload_time="2026-01-26T00:00:00Z")
    index.offer("pkg-3.0-py3-none-any.whl", b"undated")
    finder = Finder(http, exclude_newer=datetime(2026, 1, 25, tzinfo=UTC))
    assert finder.versions("pkg", _ARM) == ["1.0"]


def test_every_pin_is_found_in_order(index: Index, http: Http) -> None:
    names = [f"pkg{number}" for number in range(30)]
    for name in names:
        index.offer(f"{name}-1.0-py3-none-any.whl", name.encode())
    found = Finder(http).find_all([IndexPin(name=name, version="1.0") for name in names], _ARM)
    assert [file.name for file in found] == names


def test_a_name_that_no_index_knows_is_told(http: Http) -> None:
    with pytest.raises(UnknownProjectError, match=r"'nothing'") as caught:
        Finder(http).find_all([IndexPin(name="nothing", version="1")], _ARM)
    assert caught.value.exit_code == 3


def test_an_index_that_fails_is_not_taken_for_one_that_lacks_the_name(index: Index, http: Http) -> None:
    index.behave("pkg", *[status(500)] * 6)
    with pytest.raises(faults.ServerFailedError):
        Finder(http).find_file("pkg", "1.0", _ARM)


def test_an_index_that_fails_twice_is_asked_again(index: Index, http: Http, clock: FakeClock) -> None:
    index.offer(_PURE, b"x")
    index.behave("pkg", status(500), status(500))
    assert Finder(http).find_file("pkg", "1.0", _ARM).filename == _PURE
    assert len(clock.waits) == 2


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "application/vnd.pypi.simple.v1+json", "text/html"]
)
def test_an_answer_that_is_no_index_page_is_told(index: Index, http: Http, kind: str) -> None:
    index.behave("pkg", html_page(kind))
    with pytest.raises(NotAnIndexError) as caught:
        Finder(http).find_file("pkg", "1.0", _ARM)
    assert caught.value.exit_code == 4
    assert "a login page or another page answered" in str(caught.value.why)


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("<title>Log in</title><a href='/forgot'>Forgot your password?</a>", NotAnIndexError),
        ("<html><body>404</body></html>", NotAnIndexError),
        ("<!DOCTYPE html><title>Links for pkg</title><h1>Links for pkg</h1>", UnknownProjectError),
        ('<meta name="pypi:repository-version" content="1.0"><title>x</title>', UnknownProjectError),
        ("<h1>Index of /simple/pkg/</h1><a href='../'>../</a>", UnknownProjectError),
    ],
)
def test_an_empty_project_is_told_from_a_page_that_is_no_index(
    index: Index, http: Http, page: str, error: type[Exception]
) -> None:
    index.behave("pkg", lambda handler: handler.reply(200, page.encode(), {"Content-Type": "text/html"}))
    with pytest.raises(error):
        Finder(http).find_file("pkg", "1.0", _ARM)


def test_find_links_folders_have_digest_and_size_and_no_upload_time(index: Index, tmp_path: Path) -> None:
    filename = "pkg-1.0+cpu-py3-none-any.whl"
    (tmp_path / filename).write_bytes(b"here")
    (tmp_path / "pkg_other-1.0+cpu-py3-none-any.whl").write_bytes(b"another project")
    index.offer(_PURE, b"cuda")
    with client(index, find_links=(str(tmp_path),)) as http:
        finder = Finder(http, exclude_newer=datetime(2026, 1, 25, tzinfo=UTC))
        found = finder.find_file("pkg", "1.0+cpu", _ARM)
    assert (found.filename, found.size, found.origin) == (filename, 4, "find-links")
    assert found.sha256 == hashlib.sha256(b"here").hexdigest()


def test_a_find_links_page_is_read_once(index: Index) -> None:
    for name in ("aa", "bb"):
        index.offer(f"{name}-1.0-py3-none-any.whl", name.encode())
    links = "".join(f'<a href="/files/{name}">{name}</a>' for name in index.files)
    index.raw["/links.html"] = ("text/html", links.encode())
    with client(index, no_index=True, find_links=(f"{index.url}/links.html",)) as http:
        found = Finder(http).find_all([IndexPin(name=name, version="1.0") for name in ("aa", "bb")], _ARM)
    assert [file.origin for file in found] == ["find-links"] * 2
    assert len(index.requests_for("links.html")) == 1


def test_an_extra_index_is_asked_too_and_the_main_one_goes_first(index: Index) -> None:
    index.offer(_PURE, b"main")
    with serving() as extra:
        extra.offer(_PURE, b"extra")
        extra.offer("pkg-2.0-py3-none-any.whl", b"extra only")
        with client(index, extra_index_urls=(extra.simple,)) as http:
            finder = Finder(http)
            assert finder.find_file("pkg", "1.0", _ARM).origin == "index"
            assert finder.find_file("pkg", "2.0", _ARM).origin == "extra-index"


def test_an_index_in_a_folder_works(tmp_path: Path) -> None:
    page = tmp_path / "simple" / "pkg" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../{_PURE}">{_PURE}</a>')
    (tmp_path / _PURE).write_bytes(b"here")
    with client(None, index_url=(tmp_path / "simple").as_uri()) as http:
        found = Finder(http).find_file("pkg", "1.0", _ARM)
    assert found.sha256 == hashlib.sha256(b"here").hexdigest()


def test_a_plain_http_index_elsewhere_must_be_trusted() -> None:
    with (
        client(None, index_url="http://mirror.example/simple") as http,
        pytest.raises(faults.UntrustedHostError),
    ):
        Finder(http).versions("pkg", _ARM)
    host = "no-such-host.invalid"
    with (
        client(None, index_url=f"http://{host}/simple", trusted_hosts=(host,)) as http,
        pytest.raises(faults.UnreachableHostError),
    ):
        Finder(http).versions("pkg", _ARM)


def test_an_index_that_sends_on_to_plain_http_elsewhere_must_be_trusted(index: Index) -> None:
    """The server of the test is the proxy too, and so answers for every host."""
    there = "http://mirror.example/there"
    index.raw[there] = ("text/html", b"<a href='pkg-1.0-py3-none-any.whl'>pkg</a>")
    for name in ("pkg", "links"):
        index.behave(name, *[status(302, Location=there)] * 2)
    places = ({"index_url": index.simple}, {"no_index": True, "find_links": (f"{index.url}/links",)})
    for said in places:
        with client(None, proxy=index.url, **said) as http, pytest.raises(faults.UntrustedHostError):
            Finder(http).versions("pkg", _ARM)
    with client(index, proxy=index.url, trusted_hosts=("mirror.example",)) as http:
        assert Finder(http).versions("pkg", _ARM) == ["1.0"]


def test_a_locked_file_is_found_again(index: Index, http: Http) -> None:
    file = index.offer("pkg-1.0+cpu-py3-none-any.whl", b"cpu")
    index.offer(_PURE, b"other")
    assert Finder(http).where("pkg", file.filename, str(file.sha256)) == [index.file_url(file.filename)]


def test_a_locked_file_in_a_folder_comes_first(index: Index, tmp_path: Path) -> None:
    file = index.offer(_PURE, b"here")
    (tmp_path / _PURE).write_bytes(b"here")
    with client(index, find_links=(str(tmp_path),)) as http:
        urls = Finder(http).where("pkg", _PURE, str(file.sha256))
    assert urls == [(tmp_path / _PURE).as_uri(), index.file_url(_PURE)]


def test_a_recipes_own_index_is_asked_where_the_others_lack_the_file(index: Index, http: Http) -> None:
    index.offer(_PURE, b"another build")
    with serving() as own:
        file = own.offer(_PURE, b"this build")
        assert Finder(http).where("pkg", _PURE, str(file.sha256), also=[own.simple]) == [own.file_url(_PURE)]


def test_a_locked_file_that_was_replaced_names_both_digests(index: Index, http: Http) -> None:
    file = index.offer(_PURE, b"new")
    with pytest.raises(LockedFileChangedError, match=rf"{'0' * 64}.*{file.sha256}") as caught:
        Finder(http).where("pkg", _PURE, "0" * 64)
    assert caught.value.exit_code == 5


def test_another_digest_is_told_before_an_index_that_does_not_answer(index: Index, http: Http) -> None:
    """A mirror that states the digest of a wrong file is exit 5, not the exit 4 of a recipe's own index."""
    file = index.offer(_PURE, b"wrong")
    with pytest.raises(LockedFileChangedError, match=rf"{'0' * 64}.*{file.sha256}"):
        Finder(http).where("pkg", _PURE, "0" * 64, also=["http://127.0.0.1:9/simple/"])


def test_an_index_that_does_not_answer_stops_no_other_one_that_has_the_file(http: Http) -> None:
    with serving() as own:
        file = own.offer(_PURE, b"this build")
        places = ["http://127.0.0.1:9/simple/", own.simple]
        assert Finder(http).where("pkg", _PURE, str(file.sha256), also=places) == [own.file_url(_PURE)]


def test_a_locked_file_that_is_gone_is_told(index: Index, http: Http) -> None:
    index.offer(_PURE, b"x")
    with pytest.raises(LockedFileGoneError, match=r"^pkg-0\.9") as caught:
        Finder(http).where("pkg", "pkg-0.9-py3-none-any.whl", "0" * 64)
    assert caught.value.exit_code == 4
    assert "`invoke lock --upgrade {cell}` locks what there is now" in caught.value.next_step


def test_a_file_just_found_is_not_looked_up_again(index: Index, http: Http) -> None:
    index.offer(_PURE, b"x")
    finder = Finder(http)
    found = finder.find_file("pkg", "1.0", _ARM)
    assert finder.where("pkg", found.filename, found.sha256) == [found.url]
    assert len(index.requests_for("pkg")) == 1


def test_finding_a_locked_file_does_not_wait_for_slow_imports() -> None:
    program = (
        "import sys, ascend_wheelhouse.fetch.fetch, ascend_wheelhouse.origins.index; "
        "print('unearth' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"
