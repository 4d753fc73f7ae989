"""Commands that stand before the system's own on a build's PATH.

Compilers: the chosen gcc under every name that builds use, with the prefix maps that keep the builder's
paths out of objects, and through ccache where asked for. They are wrappers, not CFLAGS, because setuptools
replaces Python's own flags by a CXXFLAGS of the environment, -O2 included. Downloaders: `wget` and `curl`
hand out the recipe's vendored files by URL, and refuse every other with the URL on record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ascend_wheelhouse.build import fetcher, settle
from ascend_wheelhouse.build.toolchain import Toolchain

FOLDER = "shims"
DOWNLOADS = "downloads"
REFUSED = "refused.log"
SETTLE = "settle.py"
NONSHARED = "libstdc++_nonshared.a"
# looked for first: to take the words one by one takes seconds where a library is linked of thousands of objects
_WRAPPER = """#!{runner}
case " $*" in *" -Wl,-rpath,{python}/"*)
  for word do
    shift
    case $word in -Wl,-rpath,{python}/*) ;; *) set -- "$@" "$word" ;; esac
  done ;;
esac
exec {command} "$@"{last}
"""

_GATE = """#!{runner}
case " $* " in
*" -t "* | *" --version "*) ;;
*) {settling} || exit 1 ;;
esac
exec {program} "$@"
"""
_ALIASES = {"make": ("make", "gmake"), "ninja": ("ninja", "ninja-build")}


def write_compilers(
    folder: Path,
    toolchain: Toolchain,
    maps: Mapping[str, str],
    *,
    python: str = "",
    ccache: str = "",
    debug_info: bool = False,
) -> None:
    """Write wrappers for gcc and g++ under the names that builds use.

    Args:
        folder: Where to, on the host.
        toolchain: The chosen gcc.
        maps: Path as seen by the compiler, to what objects shall say.
        python: The interpreter's folder, whose `-rpath` (of its own LDFLAGS) no wheel may keep.
        ccache: The ccache to go through, or empty.
        debug_info: Let `-g` pass. What it writes is most of a compile's time and of an object's size, and gcc 12 was
            seen to write other location lists (`.debug_loclists`) for the same input, once in some tens of builds.
    """
    gcc = toolchain.get("gcc")
    if gcc is None:
        return
    words = [f"-ffile-prefix-map={path}={name}" for path, name in maps.items()]
    if toolchain.sysroot:
        words += [f"--sysroot={toolchain.sysroot}", f"-Wl,--exclude-libs,{NONSHARED}"]
    flags = " ".join(f"'{word}'" for word in words)
    triplet = gcc.identity.rsplit(" ", 1)[-1]
    own = PurePosixPath(gcc.path)
    plus = own.with_name(own.name.replace("gcc", "g++"))
    names = {
        own: ("gcc", "cc", f"{triplet}-gcc", own.name),
        plus: ("g++", "c++", f"{triplet}-g++", plus.name),
    }
    for real, aliases in names.items():
        for alias in aliases:
            command = f"{ccache} {real} {flags}".strip()
            last = "" if debug_info else " -g0"
            _write(
                folder / alias,
                _WRAPPER.format(runner=toolchain.runner, python=python, command=command, last=last),
            )
    for name, program in toolchain.beside.items():
        (folder / name).symlink_to(program)


def write_downloaders(folder: Path, python: str, root: str, urls: Mapping[str, str]) -> None:
    """Write `wget` and `curl` that know the given URLs alone.

    Args:
        folder: Where to, on the host.
        python: The interpreter, as seen by the build.
        root: The build's root, as seen by the build.
        urls: URL to the file's name in the downloads folder.
    """
    files = {url: f"{root}/{DOWNLOADS}/{name}" for url, name in urls.items()}
    settings = {"files": files, "refused": f"{root}/{REFUSED}"}
    script = Path(fetcher.__file__).read_text(encoding="utf-8")
    for name in ("wget", "curl"):
        _write(folder / name, f"#!{python} -I\n{script}")
    (folder / "downloads.json").write_text(json.dumps(settings, sort_keys=True), encoding="utf-8")


def write_plain_make(folder: Path, make: str, jobs: int) -> None:
    """Write a `make` for a version that stops at a jobserver of a FIFO: it runs a share of its own."""
    _write(folder / "make", f'#!/bin/sh\nunset MAKEFLAGS\nexec {make} -j{jobs} "$@"\n')


def write_gates(folder: Path, programs: Mapping[str, str], *, runner: str, settling: str) -> None:
    """Write commands for make and ninja that have the files' times settled first, and `settle.py` beside them.

    Args:
        folder: Where to, on the host; a command of that name that is there goes on being what is started.
        programs: Where the build sees `make` and `ninja`, as far as there are such.
        runner: What runs the commands.
        settling: The command that settles.
    """
    (folder / SETTLE).write_text(Path(settle.__file__).read_text("utf-8"), "utf-8")
    for name, program in programs.items():
        behind = folder / name
        if behind.is_symlink():
            behind.unlink()
        elif behind.exists():
            behind.rename(folder / f"plain-{name}")
        plain = f'"${{0%/*}}/plain-{name}"' if (folder / f"plain-{name}").exists() else program
        for alias in _ALIASES[name]:
            _write(folder / alias, _GATE.format(runner=runner, settling=settling, program=plain))


def refused_urls(work: Path) -> tuple[str, ...]:
    """Return the URLs that a build asked the downloaders for in vain."""
    log = work / REFUSED
    text = (
        log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    )  # a build can write to it
    return tuple(dict.fromkeys(text.split()))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def search_path(root: str, environment: str, tools: Iterable[str]) -> str:
    """Return the PATH of a build: shims, the build environment, the tools' own folders, the system."""
    return ":".join((f"{root}/{FOLDER}", f"{environment}/bin", *tools, "/usr/bin", "/bin"))
