from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.store_faults import (
    BlobMissingError,
    DamagedBlobError,
    StoreFullError,
    StoreNotWritableError,
)

pytest_plugins = ["fetch_fixtures"]

_HELLO = hashlib.sha256(b"hello").hexdigest()


def test_what_is_added_is_found_by_its_digest_and_is_read_only(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"hello")
    assert store.add(source) == _HELLO
    assert store.has(_HELLO)
    assert store.size_of(_HELLO) == 5
    assert store.path(_HELLO).read_bytes() == b"hello"
    assert store.path(_HELLO).stat().st_mode & 0o777 == 0o444
    assert source.exists()


def test_a_stream_is_added_like_a_file(store: Store) -> None:
    assert store.add(io.BytesIO(b"hello")) == _HELLO


def test_adding_twice_keeps_one_blob(store: Store) -> None:
    store.add(io.BytesIO(b"hello"))
    store.add(io.BytesIO(b"hello"))
    assert [blob.sha256 for blob in store.blobs()] == [_HELLO]


def test_a_failed_addition_leaves_nothing(store: Store) -> None:
    class Failing(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match=r"^gone$"):
        store.add(Failing())
    assert list(store.blobs()) == []
    assert list((store.root / "incoming").iterdir()) == []


def test_a_temporary_file_is_adopted_without_a_copy(store: Store) -> None:
    with store.incoming() as path:
        path.write_bytes(b"hello")
        inode = path.stat().st_ino
        assert store.adopt(path) == _HELLO
    assert store.path(_HELLO).stat().st_ino == inode


def test_a_name_that_is_no_digest_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match=r"^not a sha256: '\.\./x'$"):
        store.path("../x")


def test_a_missing_blob_is_named(store: Store) -> None:
    with pytest.raises(BlobMissingError, match=_HELLO):
        store.size_of(_HELLO)


def test_a_damaged_blob_is_found_and_removed(store: Store) -> None:
    place = store.path(store.add(io.BytesIO(b"hello")))
    store.check(_HELLO)
    place.chmod(0o644)
    place.write_bytes(b"hellO")
    with pytest.raises(DamagedBlobError, match=r"was damaged"):
        store.check(_HELLO)
    assert not store.has(_HELLO)


def test_results_are_kept_by_key_and_replaced(store: Store) -> None:
    assert store.result("k") is None
    store.put_result("k", {"wheel": _HELLO})
    store.put_result("k", {"wheel": "other"})
    assert store.result("k") == {"wheel": "other"}


def test_any_text_can_be_a_key(store: Store) -> None:
    store.put_result("../../etc/passwd", {"a": 1})
    assert store.result("../../etc/passwd") == {"a": 1}
    assert all(path.is_relative_to(store.root) for path in store.root.rglob("*"))


def test_a_half_written_result_counts_as_none(store: Store) -> None:
    store.put_result("key", {"a": 1})
    next(store.root.glob("results/*/*")).write_text('{"a"')
    assert store.result("key") is None


def test_garbage_is_what_nobody_keeps(store: Store) -> None:
    kept, left = store.add(io.BytesIO(b"kept")), store.add(io.BytesIO(b"left"))
    assert [blob.sha256 for blob in store.garbage({kept})] == [left]
    assert store.prune(lambda: {kept}) == 4
    assert store.has(kept)
    assert not store.has(left)


def test_usage_counts_blobs_partials_and_results(store: Store) -> None:
    store.add(io.BytesIO(b"hello"))
    store.put_result("key", {})
    with store.partial("p") as partial:
        partial.path.write_bytes(b"abc")
    usage = store.usage()
    assert (usage.blobs, usage.blob_bytes, usage.partials, usage.partial_bytes, usage.results) == (
        1,
        5,
        1,
        3,
        1,
    )


def test_pruning_drops_partials_but_not_those_in_use(store: Store) -> None:
    with store.partial("idle") as partial:
        partial.path.write_bytes(b"abc")
    with store.partial("busy") as busy, store.incoming() as temporary:
        busy.path.write_bytes(b"abcd")
        assert store.prune(set) == 3
        assert busy.path.exists()
        assert temporary.exists()


def test_a_partial_keeps_bytes_and_note_for_the_next_run(store: Store) -> None:
    with store.partial("p") as partial:
        partial.path.write_bytes(b"abc")
        partial.remember({"validator": '"1"'})
    with store.partial("p") as partial:
        assert (partial.size, partial.note) == (3, {"validator": '"1"'})


def test_a_lock_is_held_by_one_thread_at_a_time(store: Store) -> None:
    entered, order = threading.Event(), []

    def second() -> None:
        entered.set()
        with store.lock("name"):
            order.append("second")

    with store.lock("name"):
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def _add_all(root: Path, number: int) -> None:
    store = Store(root)
    for turn in range(20):
        store.add(io.BytesIO(f"blob {turn}".encode()))
        store.put_result("shared", {"number": number, "turn": turn})


def test_two_processes_share_one_store(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_all, args=(store.root, number)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    blobs = list(store.blobs())
    assert len(blobs) == 20
    for blob in blobs:
        store.check(blob.sha256)
    assert (store.result("shared") or {})["turn"] == 19
    assert list((store.root / "incoming").iterdir()) == []


def test_a_store_whose_place_is_taken_by_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreNotWritableError, match=r"cannot be written") as caught:
        Store(tmp_path / "taken").add(io.BytesIO(b"x"))
    assert caught.value.exit_code == 10
    assert "WHEELHOUSE_STORE" in caught.value.next_step


def test_a_source_that_cannot_be_read_is_not_blamed_on_the_store(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        store.add(folder)


def _in_namespace(script: str, program: str, *arguments: str) -> dict[str, str]:
    """Run a Python program after a shell script that mounts things, in a mount namespace of its own."""
    mount = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*mount, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this host gives no mount namespace")
    words = [*mount, "sh", "-ec", f'{script}\nexec "$@"', "sh", sys.executable, "-c", program, *arguments]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ})
    return {str(key): str(value) for key, value in json.loads(done.stdout).items()}


_ADD = """
import io, json, sys
from pathlib import Path
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.store.store import Store
store = Store(Path(sys.argv[1]))
try:
    store.add(io.BytesIO(bytes(int(sys.argv[2]))))
    told = {}
except WheelhouseError as error:
    told = error.as_dict()
print(json.dumps({**told, "blobs": len(list(store.blobs()))}))
"""


def test_a_full_disk_is_told_and_leaves_no_blob(tmp_path: Path) -> None:
    told = _in_namespace(f"mount -t tmpfs -o size=256k none {tmp_path}", _ADD, str(tmp_path), "1000000")
    assert told["error"] == StoreFullError.__name__
    assert told["exit_code"] == "10"
    assert told["blobs"] == "0"


def test_a_read_only_store_is_told(tmp_path: Path) -> None:
    script = f"mount -t tmpfs none {tmp_path}; mount -o remount,ro {tmp_path}"
    told = _in_namespace(script, _ADD, str(tmp_path), "10")
    assert told["error"] == StoreNotWritableError.__name__
    assert "Read-only" in told["what"]


def test_the_store_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path))
    assert default_root() == tmp_path
    monkeypatch.delenv("WHEELHOUSE_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_root() == tmp_path / "cache" / "ascend-wheelhouse"


def test_a_relative_store_is_where_the_run_began(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHEELHOUSE_STORE", "my/store")
    assert default_root() == tmp_path / "my" / "store"


def test_a_folder_in_the_place_of_a_file_is_named_with_what_removes_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "a store")
    sha256 = store.add(io.BytesIO(b"bytes"))
    place = store.path(sha256)
    place.unlink()
    (place / "inner").mkdir(parents=True)
    with pytest.raises(
        StoreNotWritableError, match="is a folder, and a file of the store belongs there"
    ) as told:
        store.add(io.BytesIO(b"bytes"))
    command = told.value.next_step.partition(", then")[0]
    subprocess.run(["sh", "-c", command], check=True)
    assert store.add(io.BytesIO(b"bytes")) == sha256
    record = tmp_path / "a store/results/au/audit-1.json"
    record.mkdir(parents=True)
    with pytest.raises(StoreNotWritableError, match=r"audit-1\.json is a folder"):
        store.put_result("audit-1", {})
