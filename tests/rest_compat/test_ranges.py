"""`Range` headers, case by case."""

from __future__ import annotations

import pytest

from pet.rest_compat.ranges import (
    ByteRange,
    MultipartFrame,
    PartialObject,
    RangeSelection,
    UnsatisfiableRange,
    WholeObject,
    frame_multipart,
    select_ranges,
)

SIZE = 1000
WHOLE = WholeObject()
UNSATISFIABLE = UnsatisfiableRange()


def parts(*bounds: tuple[int, int]) -> PartialObject:
    """Return a selection from starts and exclusive ends."""
    return PartialObject(tuple(ByteRange(start, end) for start, end in bounds))


SELECTIONS: dict[str, tuple[str | None, RangeSelection]] = {
    # One range.
    "no_header": (None, WHOLE),
    "first_byte": ("bytes=0-0", parts((0, 1))),
    "last_byte": ("bytes=999-999", parts((999, 1000))),
    "both_ends": ("bytes=10-19", parts((10, 20))),
    "exactly_the_whole": ("bytes=0-999", parts((0, 1000))),
    "open_ended": ("bytes=990-", parts((990, 1000))),
    "open_ended_from_the_start": ("bytes=0-", parts((0, 1000))),
    "end_behind_the_object": ("bytes=990-5000", parts((990, 1000))),
    "end_of_26_digits": (f"bytes=7-{10**25}", parts((7, 1000))),
    "leading_zeros": ("bytes=0010-0019", parts((10, 20))),
    "suffix": ("bytes=-1", parts((999, 1000))),
    "suffix_as_large_as_file": ("bytes=-1000", parts((0, 1000))),
    "suffix_larger_than_file": ("bytes=-5000", parts((0, 1000))),
    "unit_in_capitals": ("BYTES=0-9", parts((0, 10))),
    # Several ranges.
    "two_apart": ("bytes=0-9,100-109", parts((0, 10), (100, 110))),
    "spaces_and_empty_members": ("bytes=0-4 , ,\t-5,", parts((0, 5), (995, 1000))),
    "order_is_kept": ("bytes=500-509,0-9,-1", parts((500, 510), (0, 10), (999, 1000))),
    "one_byte_between_stays_apart": ("bytes=0-9,11-19", parts((0, 10), (11, 20))),
    "adjacent_are_joined": ("bytes=0-9,10-19", parts((0, 20))),
    "adjacent_backwards_are_joined": ("bytes=10-19,0-9", parts((0, 20))),
    "overlapping_are_joined": ("bytes=100-199,50-149", parts((50, 200))),
    "equal_are_joined": ("bytes=3-4,3-4,3-4", parts((3, 5))),
    "contained_is_joined": ("bytes=0-99,10-19", parts((0, 100))),
    "bridge_joins_three_in_the_place_of_the_first": (
        "bytes=0-9,500-509,20-29,5-24",
        parts((0, 30), (500, 510)),
    ),
    "whole_swallows_all": ("bytes=5-6,900-,0-", parts((0, 1000))),
    "one_satisfiable_of_two": ("bytes=0-9,2000-2009", parts((0, 10))),
    "empty_suffix_beside_a_range": ("bytes=-0,0-9", parts((0, 10))),
    "sixteen_ranges": (
        "bytes=" + ",".join(f"{10 * n}-{10 * n}" for n in range(16)),
        parts(*((10 * n, 10 * n + 1) for n in range(16))),
    ),
    "seventeen_ranges_ignored": ("bytes=" + ",".join(f"{10 * n}-{10 * n}" for n in range(17)), WHOLE),
    "seventeen_equal_ranges_ignored": ("bytes=" + ",".join(["0-"] * 17), WHOLE),
    # Nothing to send.
    "start_at_the_end": ("bytes=1000-", UNSATISFIABLE),
    "start_behind_the_end": ("bytes=2000-3000", UNSATISFIABLE),
    "start_of_26_digits": (f"bytes={10**25}-", UNSATISFIABLE),
    "empty_suffix": ("bytes=-0", UNSATISFIABLE),
    "none_of_two_satisfiable": ("bytes=1000-,1002-", UNSATISFIABLE),
    # Not understood.
    "unknown_unit_ignored": ("items=0-5", WHOLE),
    "unit_with_a_space_ignored": ("bytes =0-5", WHOLE),
    "unit_alone_ignored": ("bytes", WHOLE),
    "no_unit_ignored": ("=0-9", WHOLE),
    "no_equals_sign_ignored": ("bytes 0-9", WHOLE),
    "empty_header_ignored": ("", WHOLE),
    "empty_set_ignored": ("bytes=", WHOLE),
    "commas_alone_ignored": ("bytes=,,", WHOLE),
    "dash_alone_ignored": ("bytes=-", WHOLE),
    "last_before_first_ignored": ("bytes=5-2", WHOLE),
    "letters_ignored": ("bytes=abc", WHOLE),
    "three_numbers_ignored": ("bytes=1-2-3", WHOLE),
    "two_dashes_ignored": ("bytes=--5", WHOLE),
    "fraction_ignored": ("bytes=1.5-3", WHOLE),
    "sign_ignored": ("bytes=+1-2", WHOLE),
    "underscore_ignored": ("bytes=0-1_0", WHOLE),
    "hexadecimal_ignored": ("bytes=0x0-0x9", WHOLE),
    "superscript_digits_ignored": ("bytes=\xb2-\xb3", WHOLE),
    "arabic_digits_ignored": ("bytes=\u0661-\u0662", WHOLE),
    "inner_space_ignored": ("bytes=1 - 2", WHOLE),
    "parameter_ignored": ("bytes=1-2;q=1", WHOLE),
    "line_break_ignored": ("bytes=1-2\n", WHOLE),
    "start_of_6000_digits_ignored": ("bytes=" + "9" * 6000 + "-", WHOLE),
    "end_of_6000_digits_ignored": ("bytes=0-" + "9" * 6000, WHOLE),
    "one_malformed_of_two_ignores_both": ("bytes=0-9,x", WHOLE),
    "two_header_lines_ignored": ("bytes=0-1, bytes=4-5", WHOLE),
}

EMPTY_OBJECT: dict[str, tuple[str | None, RangeSelection]] = {
    "no_header": (None, WHOLE),
    "from_the_start": ("bytes=0-", UNSATISFIABLE),
    "first_byte": ("bytes=0-0", UNSATISFIABLE),
    "suffix_is_satisfiable_but_not_expressible": ("bytes=-5", WHOLE),
    "empty_suffix": ("bytes=-0", UNSATISFIABLE),
}


@pytest.mark.parametrize(("header", "selection"), SELECTIONS.values(), ids=SELECTIONS.keys())
def test_a_header_selects_ranges_of_a_thousand_bytes(header: str | None, selection: RangeSelection) -> None:
    assert select_ranges(header, SIZE) == selection


@pytest.mark.parametrize(("header", "selection"), EMPTY_OBJECT.values(), ids=EMPTY_OBJECT.keys())
def test_a_header_selects_ranges_of_an_empty_object(header: str | None, selection: RangeSelection) -> None:
    assert select_ranges(header, 0) == selection


@pytest.mark.parametrize("size_bytes", [0, SIZE])
@pytest.mark.parametrize("header", [header for header, _ in SELECTIONS.values() if header])
def test_the_short_way_selects_what_the_long_way_does(header: str, size_bytes: int) -> None:
    assert select_ranges(header, size_bytes) == select_ranges(header.upper(), size_bytes)  # nobody writes it so


def test_content_range_counts_the_last_byte_in() -> None:
    assert ByteRange(0, 10).content_range(SIZE) == "bytes 0-9/1000"


def test_a_frame_surrounds_each_range_with_its_headers() -> None:
    frame = frame_multipart([ByteRange(0, 5), ByteRange(7, 9)], SIZE, "audio/mpeg", boundary="b0")

    assert frame == MultipartFrame(
        content_type="multipart/byteranges; boundary=b0",
        preambles=(
            b"\r\n--b0\r\nContent-Type: audio/mpeg\r\nContent-Range: bytes 0-4/1000\r\n\r\n",
            b"\r\n--b0\r\nContent-Type: audio/mpeg\r\nContent-Range: bytes 7-8/1000\r\n\r\n",
        ),
        ending=b"\r\n--b0--\r\n",
    )
