"""What one site built and fetched, another takes from the cache: it starts no compiler and asks no origin."""

from __future__ import annotations

import json
import shutil
from io import BytesIO
from pathlib import Path

import pytest
from cache_places import SECRET, S3Server, web_server
from index_server import client, serving
from making_builds import cell
from making_packages import makeself
from offering import offered
from site_run import MakeSite, SiteRun, pull, push
from small_world import World, found
from tiny import tiny_job

from ascend_wheelhouse.base.events import JobFinished, JobProgress
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.sandbox import Unsealed, find_sandbox
from ascend_wheelhouse.build.toolchain import find_toolchain
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.shared_cache.transport import WantedFile
from ascend_wheelhouse.store.git_source import bundle_of
from ascend_wheelhouse.store.store import Store

pytest_plugins = ["cache_fixtures"]
NNAL = "Ascend-cann-nnal_8.5.0_linux-aarch64.run"


def built(run: SiteRun, *, upstream: Path | None = None, sealed: bool = True) -> BuiltWheel:
    """Build the tiny component, which is one C file, at a site; `upstream` is another site's."""
    if upstream:
        shutil.copytree(upstream / "servers", run.root / "servers", dirs_exist_ok=True)
    job, _ = tiny_job(run.root, cell({"torch": "2.8.0"}))
    sandbox = find_sandbox() if sealed else Unsealed()
    with run.store() as store:
        builder = Builder(store=store, sandbox=sandbox, emit=run.events.append)
        (wheel,) = builder.build(job, find_toolchain({}))
    return wheel


def compiled(run: SiteRun) -> bool:
    """Tell whether a build was begun at a site: each has a folder below `builds`, and tells of its steps."""
    return (run.root / "store/builds").exists() or any(isinstance(one, JobProgress) for one in run.events)


def wheel_bytes_of(run: SiteRun, wheel: BuiltWheel) -> bytes:
    return Store(run.root / "store").path(wheel.sha256).read_bytes()


def test_a_second_site_takes_a_compiled_wheel_and_compiles_nothing(s3: S3Server, site: MakeSite) -> None:
    place = s3.cache("compiled")
    first, second = site("first", place, pushes=True), site("second", place)
    made = built(first)
    taken = built(second, upstream=first.root)
    assert (compiled(first), compiled(second)) == (True, False)
    assert taken.cached
    assert (taken.key, taken.filename) == (made.key, made.filename)
    assert wheel_bytes_of(second, taken) == wheel_bytes_of(first, made)
    assert first.warnings == second.warnings == []
    assert "1 result were pushed" in first.notes
    assert "1 result came from there" in second.notes


def test_a_file_that_another_thread_brought_meanwhile_is_pushed_all_the_same(
    tmp_path: Path, site: MakeSite
) -> None:
    """Two cells of one matrix want a file that the cache lacks: it is in the store when the second asks the cache."""
    run = site("first", f"file://{tmp_path}/cache", pushes=True)
    with run.store() as store:
        sha256 = store.add(BytesIO(b"a wheel"))
        wanted = WantedFile.of(store.artifact("a.whl.txt", sha256))
        assert store.behind
        assert store.behind.bring_files([wanted], run.events.append) == {sha256}
        store.behind.offer_files([sha256])
    assert [path.read_bytes() for path in tmp_path.glob("cache/blobs/??/*")] == [b"a wheel"]
    assert "came from there" not in run.notes


def test_a_mirror_behind_a_web_server_is_as_good(tmp_path: Path, site: MakeSite) -> None:
    push(site("first", f"file://{tmp_path}/cache", pushes=True))
    with web_server(tmp_path / "cache") as (url, asked):
        assert pull(site("second", url)) == b"a bundle"
    assert any("/blobs/" in path for path in asked)


def test_a_site_without_a_key_pushes_nothing(tmp_path: Path, site: MakeSite) -> None:
    push(site("first", f"file://{tmp_path}/cache"))
    assert not (tmp_path / "cache").exists()


def test_a_build_on_the_open_host_is_not_pushed(tmp_path: Path, site: MakeSite) -> None:
    built(site("first", f"file://{tmp_path}/cache", pushes=True), sealed=False)
    assert not list(tmp_path.glob("cache/results/*/*"))


def test_a_site_that_has_built_before_it_had_a_cache_fills_it(tmp_path: Path, site: MakeSite) -> None:
    place = f"file://{tmp_path}/cache"
    built(site("first", place))
    first, second = site("first", place, pushes=True), site("second", place)
    built(first)
    assert not any(isinstance(one, JobProgress) for one in first.events)
    built(second, upstream=first.root)
    assert not compiled(second)


def test_a_second_site_takes_the_commits_of_a_source(place: str, site: MakeSite) -> None:
    first, second = site("first", place, pushes=True), site("second", place)
    job, made = tiny_job(first.root, cell({"torch": "2.8.0"}))
    commit = job.sources.commit
    with first.store() as store:
        assert bundle_of(store, commit)
    with second.store() as store:
        bundle = bundle_of(store, commit)
        assert bundle is not None
        assert bundle.read_bytes() == made.path(bundle.name).read_bytes()


def test_a_second_site_asks_no_origin_for_files(place: str, site: MakeSite) -> None:
    first, second = site("first", place, pushes=True), site("second", place)
    with serving() as index, client(index) as http:
        sizes = (("small", 10), ("large", 5_000_000))
        downloads = [offered(index, name, filler=size) for name, size in sizes]
        with first.store() as store:
            fetch_all(downloads, store, http=http)
        asked = len(index.asked)
        with second.store() as store:
            fetched = fetch_all(downloads, store, second.events.append, http=http)
        assert len(index.asked) == asked
    assert [one.filename for one in fetched] == [one.filename for one in downloads]
    told = [one for one in second.events if isinstance(one, JobFinished)]
    assert sorted(one.job for one in told if one.outcome == "done") == sorted(
        one.filename for one in downloads
    )
    assert not [one for one in told if one.outcome == "failed"]


def test_what_the_cache_lacks_comes_from_its_origin(tmp_path: Path, site: MakeSite) -> None:
    run = site("first", f"file://{tmp_path}/cache", pushes=True)
    with serving() as index, client(index) as http, run.store() as store:
        (fetched,) = fetch_all([offered(index)], store, run.events.append, http=http)
        assert store.has(fetched.sha256)
    outcomes = [one.outcome for one in run.events if isinstance(one, JobFinished)]
    assert outcomes == ["done"]
    assert len(list(tmp_path.glob("cache/blobs/??/*"))) == 1


def test_the_whole_command_at_a_second_site_asks_no_origin(tmp_path: Path, key: Signer) -> None:
    cache = f"file://{tmp_path}/cache"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with serving() as index:
        first = found(tmp_path / "first", index)
        index.raw[f"/{NNAL}"] = ("application/octet-stream", makeself())
        mirrors = f"http://127.0.0.1:9/={index.url}/"
        words = ("--cache", cache, "--cache-key", str(key.path), "--json")
        made = first.make(*words, WHEELHOUSE_MIRRORS=mirrors)
        assert made.status == 0, made.err
        second = World(root=tmp_path / "second", index=index)
        for name in ("recipes", "lockfiles"):
            shutil.copytree(first.root / name, second.root / name)
        (second.root / "tasks.py").symlink_to(first.root / "tasks.py")
        asked = len(index.asked)
        words = ("--cache", cache, "--cache-trust", f"{key.path}.pub", "--json")
        taken = second.make(*words, WHEELHOUSE_MIRRORS=mirrors)
        assert len(index.asked) == asked
    assert taken.status == 0, taken.err + taken.out
    events = [json.loads(line) for line in taken.out.splitlines()]
    assert not any(one.get("action") == "lock source" for one in events)
    assert not (second.store / "builds").exists()
    assert events[-1]["complete"]
    sums = [(world.folder / "SHA256SUMS").read_bytes() for world in (first, second)]
    assert sums[0] == sums[1]


@pytest.mark.parametrize("laid_out", [True, False], ids=["finished", "wheelhouse removed"])
def test_the_whole_command_at_a_site_that_is_warm_fills_a_new_cache(
    tmp_path: Path,
    key: Signer,
    laid_out: bool,  # noqa: FBT001 - parametrised
) -> None:
    """To switch a cache on at a site that has built is the usual case: the second site builds nothing all the same."""
    cache = f"file://{tmp_path}/cache"
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with serving() as index:
        first = found(tmp_path / "first", index)
        assert first.make().status == 0
        if not laid_out:
            shutil.rmtree(first.root / "wheelhouse")
        pushing = ("--cache", cache, "--cache-key", str(key.path))
        made = first.make(*pushing)
        assert made.status == 0, made.err
        assert "were pushed" in made.err + made.out
        again = first.make(*pushing)
        assert "pushed" not in again.err + again.out
        second = World(root=tmp_path / "second", index=index)
        for name in ("recipes", "lockfiles"):
            shutil.copytree(first.root / name, second.root / name)
        (second.root / "tasks.py").symlink_to(first.root / "tasks.py")
        asked = len(index.asked)
        taken = second.make("--cache", cache, "--cache-trust", f"{key.path}.pub")
        assert taken.status == 0, taken.err + taken.out
        assert [path for path in index.asked[asked:] if "sglang" in path] == []
    assert not (second.store / "builds").exists()
    assert (first.folder / "SHA256SUMS").read_bytes() == (second.folder / "SHA256SUMS").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ("--cache", "gopher://x"),
        ("--cache", "file:///tmp/c", "--cache-key", "nothing"),
        ("--cache", "file:///tmp/c", "--cache-trust", "nothing.pub"),
        ("--cache", "https://x.test/c", "--cache-key", "{key}"),
    ],
    ids=" ".join,
)
def test_what_is_wrong_with_a_cache_is_told_where_nothing_is_to_be_done(
    tmp_path: Path, key: Signer, words: tuple[str, ...]
) -> None:
    with serving() as index:
        world = found(tmp_path, index)
        assert world.make().status == 0
        done = world.make(*(word.format(key=key.path) for word in words))
    assert done.status == 2, done.out


def test_what_a_cache_did_not_take_is_pushed_by_the_next_run(tmp_path: Path, key: Signer) -> None:
    with serving() as index:
        world = found(tmp_path, index)
        assert world.make().status == 0
        pushing = ("--cache", f"file://{tmp_path}/closed/cache", "--cache-key", str(key.path))
        (tmp_path / "closed").write_text("a file")
        first = world.make(*pushing)
        (tmp_path / "closed").unlink()
        (tmp_path / "closed").mkdir()
        second = world.make(*pushing)
    assert first.status in {0, 2, 4, 10}, first.err
    assert second.status == 0, second.err
    assert "were pushed" in second.err + second.out


def test_a_cache_that_was_emptied_is_filled_again_by_a_site_that_has_nothing_to_make(
    tmp_path: Path, key: Signer
) -> None:
    pushing = ("--cache", f"file://{tmp_path}/cache", "--cache-key", str(key.path))
    with serving() as index:
        world = found(tmp_path, index)
        assert world.make(*pushing).status == 0
        shutil.rmtree(tmp_path / "cache")
        assert world.make(*pushing).status == 0
        assert not (tmp_path / "cache").exists()
        (state,) = (world.root / "wheelhouse/.state").glob("*.json")
        record = json.loads(state.read_text())
        record["given"] = {name: at - 8 * 86_400 for name, at in record["given"].items()}
        state.write_text(json.dumps(record))
        assert world.make(*pushing).status == 0
    assert list((tmp_path / "cache/results").glob("*/*.json"))


def test_the_login_of_a_cache_is_in_no_file_that_a_run_leaves(
    tmp_path: Path, key: Signer, s3: S3Server
) -> None:
    with serving() as index:
        world = found(tmp_path, index)
        made = world.make("--cache", s3.cache("login-of-a-run"), "--cache-key", str(key.path))
        assert made.status == 0, made.err
        assert "were pushed" in made.err + made.out
    kept = [path for path in world.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert any(".state" in path.parts for path in kept)
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []
