"""Whatever the store's records hold, they are used, made again or refused; what else is there is kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desks import Desk
from hypothesis import given
from hypothesis import strategies as st
from index_server import serving
from outcome import require_told
from spoiling import fuzzed, jsons, texts_of

from ascend_wheelhouse.audit import facts as audit_facts
from ascend_wheelhouse.audit import host_symbols
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.sandbox import Unsealed
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.store.git_source import bundle_of
from ascend_wheelhouse.store.proven import file_sha256
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord, put_record

pytest_plugins = ["desk_fixtures"]
COMMIT = "c" * 40


@pytest.fixture(scope="module")
def record(desk: Desk) -> Iterator[Path]:
    """The record of an imported file."""
    store = Store(desk.world.store)
    blob = next(store.blobs())
    facts = NameFacts(version="8.5.0", machine="aarch64", npu="a3", cann="8.5.0")
    put_record(
        store,
        VendoredRecord(
            component="nnal",
            artifact=Artifact(
                filename="Ascend-cann-nnal_8.5.0_linux-aarch64.run", size=blob.size, sha256=blob.sha256
            ),
            kind="payload",
            facts=facts,
            origin="a test",
            licence="a licence",
        ),
    )
    (path,) = desk.world.store.glob("vendored/*/*.json")
    yield path
    path.unlink()


@fuzzed
@given(data=st.data())
def test_any_record_of_a_hand_over_is_listed_or_refused(
    desk: Desk, record: Path, data: st.DataObject
) -> None:
    good = json.loads(record.read_text())
    command = data.draw(st.sampled_from([("vendored",), ("vendored", "--json"), ("plan",), ("cache",)]))
    with desk.holding(record, data.draw(jsons(good))):
        require_told(desk.invoke(*command))
    assert record.is_file()


def good_facts() -> dict[str, Any]:
    """Return the facts of a wheel as the audit keeps them."""
    made = audit_facts.WheelFacts(
        file="a-1-py3-none-any.whl",
        sha256="1" * 64,
        name="a",
        version="1",
        tags=("py3-none-any",),
        requires=("b>=1",),
        top_level=("a",),
        files=(audit_facts.InstalledFile(path="a.py", sha256="2" * 64),),
        objects=(
            audit_facts.ObjectFacts(
                member="a.so",
                path="a.so",
                machine="aarch64",
                kind="DYN",
                wide=True,
                needed=("libc.so.6",),
                defined=("x",),
            ),
        ),
        imports=(audit_facts.Import(name="os", member="a.py", line=1),),
        findings=(Finding(check="hygiene", rule="stray", severity="note", message="x"),),
    )
    return json.loads(json.dumps(audit_facts.to_json(made)))  # type: ignore[no-any-return]


@fuzzed
@given(data=jsons(good_facts()))
def test_any_facts_of_a_wheel_are_used_or_read_again(desk: Desk, data: bytes) -> None:
    wheel = next((desk.world.folder / "wheels").glob("einops-*.whl"))
    words = ("audit", "--", str(wheel))
    digest = file_sha256(wheel)
    kept = {
        path: path.read_bytes()
        for path in desk.world.store.glob("results/??/*.json")
        if f'"sha256": "{digest}"'.encode() in path.read_bytes()
    }
    for path in kept:
        path.write_bytes(data)
    ended = desk.invoke(*words)
    for path, before in kept.items():
        path.write_bytes(before)
    assert kept
    require_told(ended)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with nothing but records."""
    return Store(tmp_path_factory.mktemp("kept"))


SYMBOLS = {"libascendcl.so": ["aclInit", "aclFinalize"], "libhccl.so": ["HcclSend"]}
BUILT = {
    "wheels": [
        {
            "component": "a",
            "filename": "a-1-py3-none-any.whl",
            "sha256": "1" * 64,
            "size": 3,
            "key": "k",
            "toolchain": {"gcc": "12"},
            "sandbox": "none",
            "note": "",
        }
    ]
}


def put(store: Store, key: str, data: bytes) -> None:
    """Put bytes in the place of a record."""
    store.put_result(key, {})
    (path,) = store.root.glob(f"results/??/{key}.json")
    path.write_bytes(data)


@fuzzed
@given(symbols=jsons(SYMBOLS), built=jsons(BUILT), bundle=jsons({"bundle": "1" * 64}))
def test_any_other_record_counts_as_none_where_it_is_none(
    kept: Store, symbols: bytes, built: bytes, bundle: bytes
) -> None:
    put(kept, "cann-symbols-8.5.0-aarch64", symbols)
    put(kept, "build-key", built)
    put(kept, f"git-{COMMIT}", bundle)
    found = host_symbols.kept(kept, "8.5.0", "aarch64")
    assert found is None or all(isinstance(name, str) for names in found.values() for name in names)
    assert Builder(store=kept, sandbox=Unsealed(), emit=silent).known("key") == []
    assert bundle_of(kept, COMMIT) is None


NAME = "big-1.tar.gz"
BODY = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(BODY).hexdigest()
HAVE = b"0 2097152 .\n2097152 3000000 .\n4194304 5120000 .\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where a server on the loopback has the file."""
    with serving() as index:
        index.etag = True
        index.offer(NAME, BODY)
        yield index.file_url(NAME)


@fuzzed
@given(note=jsons({"validator": '"a"', "url": "1" * 64}), have=texts_of(HAVE), part=st.integers(0, len(BODY)))
def test_whatever_is_noted_of_a_partial_download_the_file_comes_whole(
    url: str, tmp_path_factory: pytest.TempPathFactory, note: bytes, have: bytes, part: int
) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as root:
        store = Store(Path(root))
        wanted = Download.of(Artifact(filename=NAME, size=len(BODY), sha256=DIGEST), urls=(url,))
        folder = store.root / "incoming"
        folder.mkdir(parents=True)
        (folder / f"{wanted.key}.json").write_bytes(note)
        (folder / f"{wanted.key}.have").write_bytes(have)
        (folder / f"{wanted.key}.pieces").write_bytes(BODY[:part] + bytes(len(BODY) - part))
        (fetched,) = fetch_all([wanted], store, http=Http(PipConfig(retries=0), Mirrors()))
        assert store.path(fetched.sha256).read_bytes() == BODY
