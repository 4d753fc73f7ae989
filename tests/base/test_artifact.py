from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_wheelhouse.base.artifact import Artifact, BadArtifactError, HasArtifact, as_row, from_row

DIGEST = "0123456789abcdef" * 4


@dataclass(frozen=True, kw_only=True)
class Holder(HasArtifact):
    """A record of a file, as any of ours."""

    component: str
    artifact: Artifact
    note: str


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/etc/passwd", "../up.whl", "wheels/a.whl", "a\\b.whl", "a\n.whl", "a\0"]
)
def test_only_a_bare_file_name_names_an_artifact(name: str) -> None:
    with pytest.raises(BadArtifactError, match=r"is not a bare file name\.") as caught:
        Artifact(filename=name, size=1, sha256=DIGEST)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("size", [-1, "3", 1.0, True, None])
def test_a_size_is_a_whole_number_of_bytes(size: int) -> None:
    with pytest.raises(BadArtifactError, match=r"^a\.whl: .* is not a size in bytes\."):
        Artifact(filename="a.whl", size=size, sha256=DIGEST)


@pytest.mark.parametrize(
    "sha256", ["", "00", DIGEST.upper(), DIGEST + "0", f"{DIGEST}\n", "sha256:" + DIGEST, None]
)
def test_a_digest_is_64_small_hexadecimal_digits(sha256: str) -> None:
    with pytest.raises(BadArtifactError, match=r"^a\.whl: .* is not a sha256\."):
        Artifact(filename="a.whl", size=0, sha256=sha256)


@given(
    name=st.from_regex(r"\A[A-Za-z0-9_+.-]{3,40}\.whl\Z"),
    size=st.integers(0, 2**50),
    content=st.binary(min_size=32, max_size=32),
)
def test_a_record_is_read_back_from_its_flat_row(name: str, size: int, content: bytes) -> None:
    artifact = Artifact(filename=name, size=size, sha256=content.hex())
    holder = Holder(component="torch", artifact=artifact, note="")
    row = as_row(holder)
    assert list(row) == ["component", "filename", "size", "sha256", "note"]
    assert Holder(**from_row(row)) == holder
    assert (holder.filename, holder.size, holder.sha256) == (name, size, content.hex())


def test_a_row_without_a_digest_is_no_artifact() -> None:
    with pytest.raises(KeyError, match="sha256"):
        from_row({"filename": "a.whl", "size": 1})
