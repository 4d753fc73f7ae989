import io

import pytest

from ascend_wheelhouse.console import words


def _stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (64_000, "64 kB"),
        (97_400_000, "97.4 MB"),
        (2_500_000_000, "2.50 GB"),
    ],
)
def test_sizes_are_decimal_and_short(count: int | None, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1:00"), (3723, "1:02:03")]
)
def test_durations_grow_from_tenths_to_hours(value: float, text: str) -> None:
    assert words.seconds(value) == text


def test_a_portion_names_a_common_unit_once() -> None:
    assert words.portion(45_200_000, 97_400_000) == "45.2/97.4 MB"
    assert words.portion(64_000, 97_400_000) == "64 kB/97.4 MB"
    assert words.portion(0, None) == ""


def test_marks_fall_back_to_ascii_where_the_encoding_lacks_them() -> None:
    assert words.marks_for(_stream("utf-8")).outcomes["done"] == "✓"
    for encoding in ("ascii", "iso8859-1"):
        marks = words.marks_for(_stream(encoding))
        assert "".join([*marks.outcomes.values(), marks.dot, marks.ellipsis, marks.spinner]).isascii()


def test_what_a_job_says_cannot_move_the_cursor_or_break_the_encoding() -> None:
    assert (
        words.clean("\x1b[2J\x1b]0;title\x07[12/99] building é\r\n", _stream("ascii")) == "[12/99] building ?"
    )


@pytest.mark.parametrize("width", range(12))
def test_a_clipped_name_never_exceeds_its_width(width: int) -> None:
    for encoding in ("utf-8", "ascii"):
        assert len(words.clip("torch-2.8.0-cp311.whl", width, words.marks_for(_stream(encoding)))) <= width


def test_a_clipped_file_name_keeps_both_ends() -> None:
    clipped = words.clip(
        "torch-2.8.0-cp311-cp311-manylinux_2_28_aarch64.whl", 24, words.marks_for(_stream("utf-8"))
    )
    assert clipped.startswith("torch-2.8.0-")
    assert clipped.endswith("64.whl")


def test_nothing_is_never_a_negative_time_nor_a_share_of_nothing() -> None:
    assert words.seconds(-0.001) == "0.0 s"
    assert words.portion(0, 0) == ""
