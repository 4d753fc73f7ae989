"""JSON that is read back is parsed strictly and held to a shape."""

import pytest

from ascend_wheelhouse.node import documents

SHAPE = {
    "name": documents.name,
    "size": int,
    "share": (int, float),
    "note?": (str, type(None)),
    "files": [{"path": documents.path, "sha256?": documents.sha256}],
    "symbols?": {...: [str]},
}
GOOD = (
    b'{"name": "a", "size": 1, "share": 0.5, "files": [{"path": "a/b", "more": []}], "symbols": {"x": ["y"]}}'
)


def test_what_has_the_shape_is_returned_with_all_that_it_says_besides() -> None:
    found = documents.read(GOOD, SHAPE)
    assert found["files"] == [{"path": "a/b", "more": []}]
    assert "note" not in found


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (b'"name": "a", ', b"", "it lacks 'name'"),
        (b'"a",', b'"a\\nb",', r"name is 'a\nb', and must be a name"),
        (b'"size": 1', b'"size": true', "size is True, and must be of type int"),
        (b'"size": 1', b'"size": "1"', "size is '1', and must be of type int"),
        (b"0.5", b"[0.5]", "share is [0.5], and must be something else"),
        (b'"a/b"', b'"../b"', "files.0.path is '../b', and must be a path"),
        (b'"a/b"', b'"/b"', "files.0.path is '/b', and must be a path"),
        (b'[{"path"', b'{"path"', "not sound JSON"),
        (b'["y"]', b"[null]", "symbols.x.0 is None, and must be of type str"),
        (b'["y"]', b'"y"', "symbols.x is 'y', and must be a list"),
        (b'"size": 1', b'"size": NaN', "not sound JSON: NaN is no number of JSON"),
        (b'"size": 1', b'"size": 1, "size": 2', "not sound JSON: a key appears twice"),
        (b'"size": 1', b'"size": ' + b"9" * 5000, "not sound JSON"),
        (b'"size": 1', b'"size": ' + b"[" * 5000, "not sound JSON"),
        (b'"a",', b'"\\ud800",', "not sound JSON"),
        (b'"a",', b'"\xe9",', "not sound JSON"),
        (b"{", b"\xef\xbb\xbf{", "not sound JSON"),
    ],
)
def test_what_has_not_is_refused_with_the_place_at_fault(before: bytes, after: bytes, told: str) -> None:
    with pytest.raises(documents.UnsoundError) as caught:
        documents.read(GOOD.replace(before, after, 1), SHAPE)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "hostile", ["", ".", "..", "/a", "a/", "a//b", "a/../b", "./a", "a\\b", "a\0b", "a\n", 3, None]
)
def test_a_path_is_plain_and_stays_where_it_starts(hostile: object) -> None:
    assert not documents.path(hostile)
    assert documents.path("a/b c/d-1.0+x.whl")
    assert documents.file_name("a b")
    assert not documents.file_name("a/b")


@pytest.mark.parametrize("hostile", [-1, True, 1.0, 1 << 60, "1", None])
def test_a_size_is_a_count_of_bytes(hostile: object) -> None:
    assert not documents.size(hostile)
    assert documents.size(0)
