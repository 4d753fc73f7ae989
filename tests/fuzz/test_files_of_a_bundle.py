"""Whatever the files of a bundle hold, signed or not, it is proven or refused, on a node and on a host."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from bundle_fixtures import Draft, join, write_wheelhouse
from hypothesis import given
from hypothesis import strategies as st
from outcome import Ended, require_told, run
from spoiling import ShortlyShown, fuzzed, jsons, texts_of

from ascend_wheelhouse import console
from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.commands import bundle as command
from ascend_wheelhouse.folder.signing import generate_key
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.node.install import program
from ascend_wheelhouse.node.trust import dsse


def bundled(options: command.BundleOptions) -> None:
    """Do with a bundle what the command does, its errors told as there."""
    with console.main_guard():
        command.main(options)


@dataclass(frozen=True, kw_only=True, repr=False)
class Bench(ShortlyShown):
    """Where bundles are written, the key that is trusted, and a sound bundle."""

    folder: Path
    draft: Draft

    @property
    def key(self) -> Path:
        """The public key."""
        return self.folder / "key.pub"

    def read(self, path: Path, *, insecure: bool = False, key: Path | None = None) -> list[Ended]:
        """Have every reader read a bundle."""
        trusted = str(key or self.key)
        words = [
            "--bundle",
            str(path),
            "--prefix",
            str(self.folder / "p"),
            "--dry-run",
            "--trusted-key",
            trusted,
        ]
        return [
            run(lambda: bundled(command.ListOptions(bundle=path, json=True))),
            run(lambda: bundled(command.ProveOptions(bundle=path, trusted_key=trusted, insecure=insecure))),
            run(lambda: program.main([*words, *(["--insecure-no-signature"] if insecure else [])])),
        ]

    def write(self, heads: Mapping[str, bytes]) -> Path:
        """Write a bundle in whose head these members stand."""
        head = [(name, heads.get(name, text)) for name, text in self.draft.head()]
        path = self.folder / "b.tar"
        path.write_bytes(join([*head, *self.draft.body()]))
        return path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench."""
    folder = tmp_path_factory.mktemp("bench")
    return Bench(folder=folder, draft=Draft(signer=generate_key(folder / "key")))


@fuzzed
@given(data=st.data())
def test_any_manifest_in_a_bundle_is_proven_or_refused(bench: Bench, data: st.DataObject) -> None:
    text = data.draw(jsons(json.loads(bench.draft.manifest)))
    for ended in bench.read(
        bench.write({layout.MANIFEST: text, layout.SIGNATURE: bench.draft.signer.sign(text)}), insecure=True
    ):
        require_told(ended)


@fuzzed
@given(data=st.data(), which=st.sampled_from([layout.PROVENANCE, layout.SIGNATURE, layout.SUMS]))
def test_any_proof_in_a_bundle_is_taken_or_refused(bench: Bench, data: st.DataObject, which: str) -> None:
    good = dict(bench.draft.head())[which]
    text = data.draw(jsons(json.loads(good)) if which == layout.PROVENANCE else texts_of(good))
    ended = bench.read(bench.write({which: text}))
    for one in ended:
        require_told(one)
    assert text == good or ended[1].status == ended[2].status == 5


@fuzzed
@given(data=st.data())
def test_any_statement_that_is_signed_is_taken_or_refused(bench: Bench, data: st.DataObject) -> None:
    signer = bench.draft.signer
    good = json.loads(base64.b64decode(json.loads(dict(bench.draft.head())[layout.PROVENANCE])["payload"]))
    payload = data.draw(jsons(good))
    envelope = dsse.envelope(payload, signer.sign_raw(dsse.pae(payload)), signer.public_key)
    for ended in bench.read(bench.write({layout.PROVENANCE: envelope})):
        require_told(ended)


@fuzzed
@given(data=st.data())
def test_any_list_of_what_a_delta_carries_is_taken_or_refused(bench: Bench, data: st.DataObject) -> None:
    good = json.loads(layout.delta("1" * 64, ["install.py", "node/errors.py"]))
    text = data.draw(jsons(good))
    head = bench.draft.head()
    at = layout.HEAD.index(layout.DELTA)
    path = bench.folder / "delta.tar"
    path.write_bytes(join([*head[:at], (layout.DELTA, text), *head[at:], *bench.draft.body()]))
    for ended in bench.read(path):
        require_told(ended)


@pytest.fixture(scope="module")
def wheelhouse(bench: Bench) -> Path:
    """A small wheelhouse to be bundled."""
    return write_wheelhouse(bench.folder / "wheelhouse")


@pytest.fixture(scope="module")
def oci(bench: Bench, wheelhouse: Path) -> Path:
    """A signed bundle as an image layout."""
    made = bundle_command(wheelhouse, out=bench.folder, oci=True, sign_key=bench.folder / "key", serial=7)
    return made.paths[0]


@fuzzed
@given(data=st.data(), which=st.sampled_from(["index", "manifest"]))
def test_any_image_layout_is_proven_or_refused(
    bench: Bench, oci: Path, data: st.DataObject, which: str
) -> None:
    index = oci / "index.json"
    inner = oci / "blobs/sha256" / json.loads(index.read_bytes())["manifests"][0]["digest"][7:]
    path = {"index": index, "manifest": inner}[which]
    good = path.read_bytes()
    path.write_bytes(data.draw(jsons(json.loads(good))))
    try:
        for ended in bench.read(oci):
            require_told(ended)
    finally:
        path.write_bytes(good)


@fuzzed
@given(data=st.data())
def test_any_file_of_trusted_keys_is_used_or_refused(bench: Bench, data: st.DataObject) -> None:
    line = bench.key.read_bytes()
    path = bench.folder / "trusted"
    path.write_bytes(
        data.draw(texts_of(b'ascend-wheelhouse namespaces="ascend-wheelhouse" ' + line + b"# x\n" + line))
    )
    for ended in bench.read(bench.write({}), key=path):
        require_told(ended)


@fuzzed
@given(data=st.data())
def test_any_private_key_signs_or_is_refused(bench: Bench, wheelhouse: Path, data: st.DataObject) -> None:
    path = bench.folder / "other"
    path.write_bytes(data.draw(texts_of((bench.folder / "key").read_bytes())))
    options = command.PackOptions(
        root=bench.folder,
        wheelhouse=wheelhouse,
        out=bench.folder / "out",
        sign_key=path,
        serial=8,
        allow_incomplete=True,
        json=True,
    )
    require_told(run(lambda: bundled(options)))
