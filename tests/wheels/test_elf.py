from __future__ import annotations

import io
import random
import struct
from collections import Counter
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from making_wheels import (
    PT_GNU_STACK,
    PT_LOAD,
    compiler,
    shared_object,
    with_segment_flags,
    with_segment_kind,
)

from ascend_wheelhouse.wheels.elf import BadElfError, ElfFacts, Symbol, read_elf

SOURCE = """
#include <string>
#include <cstdlib>
namespace shop { std::string absent(int); __attribute__((weak)) int maybe(); }
extern "C" int price(int n) {
  return shop::absent(n).size() + (shop::maybe ? shop::maybe() : 0) + std::rand();
}
static int hidden() { return 1; }
__attribute__((visibility("hidden"))) int also_hidden() { return hidden(); }
"""


@pytest.fixture(scope="module", params=["x86_64", "aarch64"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if compiler(request.param) is None:
        pytest.skip(f"no C++ compiler for {request.param}")
    flags = ("-Wl,-soname,libshop.so.1", "-Wl,-rpath,$ORIGIN:$ORIGIN/../lib", "-Wl,--disable-new-dtags")
    return shared_object(tmp_path_factory.mktemp("elf"), SOURCE, *flags, machine=request.param)


def test_an_object_tells_what_it_needs_and_what_it_gives(built: bytes) -> None:
    facts = read_elf(built)
    assert (facts.kind, facts.soname, facts.rpath) == (
        "shared",
        "libshop.so.1",
        ("$ORIGIN", "$ORIGIN/../lib"),
    )
    assert {"libc.so.6", "libstdc++.so.6"} <= set(facts.needed)
    assert Symbol("_ZN4shop6absentB5cxx11Ei") in facts.undefined
    assert Symbol("_ZN4shop5maybeEv") in facts.weak
    assert "price" in {symbol.name for symbol in facts.defined}
    assert not [symbol for symbol in facts.defined if "hidden" in symbol.name]
    assert not facts.exec_stack
    assert any(
        library == "libc.so.6" and version.startswith("GLIBC_2.")
        for library, version in facts.needed_versions
    )


def test_the_reader_agrees_with_pyelftools(built: bytes) -> None:
    table = ELFFile(io.BytesIO(built)).get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    expected = Counter(
        symbol.name
        for symbol in table.iter_symbols()
        if symbol.name and symbol["st_shndx"] == "SHN_UNDEF" and symbol["st_info"]["bind"] == "STB_GLOBAL"
    )
    assert Counter(symbol.name for symbol in read_elf(built).undefined) == expected


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_an_object_that_offers_nothing_tells_what_it_needs(tmp_path: Path, machine: str) -> None:
    if compiler(machine) is None:
        pytest.skip(f"no C++ compiler for {machine}")
    source = (
        "#include <cstdlib>\n__attribute__((constructor)) static void start() { std::srand(std::rand()); }"
    )
    facts = read_elf(shared_object(tmp_path, source, "-Wl,--hash-style=gnu", machine=machine))
    assert {"rand", "srand"} <= {symbol.name for symbol in facts.undefined}
    assert not facts.defined


def test_an_executable_stack_is_seen(built: bytes) -> None:
    assert read_elf(with_segment_flags(built, PT_GNU_STACK, 7)).exec_stack


def test_an_object_that_says_nothing_of_the_stack_gets_an_executable_one_on_x86_64(built: bytes) -> None:
    facts = read_elf(with_segment_kind(built, PT_GNU_STACK, 0))
    assert facts.exec_stack == (facts.machine == "x86_64")


def test_a_segment_that_is_writable_and_executable_is_seen(built: bytes) -> None:
    assert not read_elf(built).writable_code
    assert read_elf(with_segment_flags(built, PT_LOAD, 7)).writable_code


def test_an_object_tells_with_which_pages_it_is_loaded(built: bytes) -> None:
    facts = read_elf(built)
    loads = [one for one in ELFFile(io.BytesIO(built)).iter_segments() if one["p_type"] == "PT_LOAD"]
    assert facts.page_bytes == min(one["p_align"] for one in loads)
    assert facts.page_bytes == (0x10000 if facts.machine == "aarch64" else 0x1000)


def test_every_cut_of_an_object_is_an_answer_or_a_clear_error(built: bytes) -> None:
    outcomes = {_outcome(built[:length]) for length in range(4, len(built), 97)}
    assert outcomes <= {ElfFacts, BadElfError}


def test_every_flipped_byte_is_an_answer_or_a_clear_error(built: bytes) -> None:
    chance = random.Random(7)  # noqa: S311  repeatable, not secret
    for _ in range(400):
        spoiled = bytearray(built)
        for _ in range(4):
            spoiled[chance.randrange(4, len(spoiled))] = chance.randrange(256)
        assert _outcome(bytes(spoiled)) in {ElfFacts, BadElfError}


def test_a_claim_of_four_billion_symbols_is_refused_at_once(built: bytes) -> None:
    facts = read_elf(built)
    assert facts.dynamic
    table = ELFFile(io.BytesIO(built)).get_section_by_name(".gnu.hash")
    assert table is not None
    spoiled = bytearray(built)
    struct.pack_into("<I", spoiled, table["sh_offset"], 0xFFFFFFFF)
    with pytest.raises(BadElfError, match="states 4294967295 hash buckets"):
        read_elf(bytes(spoiled))


def _table(built: bytes, name: str) -> int:
    section = ELFFile(io.BytesIO(built)).get_section_by_name(name)
    assert section is not None
    return int(section["sh_offset"])


def test_lists_of_versions_that_share_their_rows_are_refused_soon(built: bytes) -> None:
    many = 1000
    spoiled = bytearray(built) + bytes(2 * 16 * many)
    first = _table(built, ".gnu.version_r")
    struct.pack_into("<I", spoiled, first + 12, len(built) - first)
    for row in range(many):
        above = len(built) + 16 * row
        last = row == many - 1
        struct.pack_into("<HHIII", spoiled, above, 1, many, 0, 16 * (many - row), 0 if last else 16)
        struct.pack_into("<IHHII", spoiled, above + 16 * many, 0, 0, 2, 0, 0 if last else 16)
    with pytest.raises(BadElfError, match="lists of versions do not end"):
        read_elf(bytes(spoiled))


def test_versions_are_listed_to_their_end_whatever_the_counts_say(built: bytes) -> None:
    spoiled = bytearray(built)
    place = _table(built, ".gnu.version_r")
    following = -1
    while following:
        struct.pack_into("<H", spoiled, place + 2, 0)
        following = struct.unpack_from("<12xI", spoiled, place)[0]
        place += following
    assert read_elf(built).needed_versions
    assert read_elf(bytes(spoiled)).needed_versions == read_elf(built).needed_versions


def test_of_two_entries_of_one_kind_the_last_one_counts_as_for_the_linker(built: bytes) -> None:
    table = ELFFile(io.BytesIO(built)).get_section_by_name(".dynamic")
    assert isinstance(table, DynamicSection)
    tags = [(tag["d_tag"], tag["d_val"]) for tag in table.iter_tags()]
    end = [tag for tag, _ in tags].index("DT_NULL")
    later = dict(tags)["DT_SONAME"] + len("libshop.")
    spoiled = bytearray(built)
    struct.pack_into("<qQ", spoiled, table["sh_offset"] + 16 * end, 14, later)
    assert read_elf(bytes(spoiled)).soname == "so.1"


def test_a_text_file_is_no_elf_file() -> None:
    with pytest.raises(BadElfError, match="magic number"):
        read_elf(b"#!/bin/sh\n")


def _outcome(data: bytes) -> type[object]:
    try:
        return type(read_elf(data))
    except BadElfError:
        return BadElfError
