"""Part of `ownership`: modules of one wheel that `import` never finds, for another wheel has something of that name.

In one folder Python takes of one name: a package with `__init__`, else a compiled module, else a `.py` file, else a
folder as a namespace (`FileFinder.find_spec` of `importlib`). The paths differ, so that no installer says a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.console.words import counted

_PACKAGE, _COMPILED, _SOURCE, _NAMESPACE = range(4)


@dataclass(frozen=True, kw_only=True)
class _Held:
    """What a wheel has of a name; of several kinds the one with the lowest number is taken."""

    wheel: str
    kind: int
    path: str


def check(wheels: Sequence[WheelFacts]) -> Iterator[Finding]:
    """Yield each wheel that has modules which another wheel's hide."""
    held: defaultdict[str, list[_Held]] = defaultdict(list)
    for wheel in wheels:
        for path in wheel.paths:
            if (module := _module(path)) is not None:
                held[module[0]].append(_Held(wheel=wheel.file, kind=module[1], path=path))
    folders = _folders(held.values())
    hidden: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for name, modules in held.items():
        for one, first in _hidden([*modules, *_namespaces(name, modules, folders)]):
            hidden[one.wheel, first.wheel].append((one.path, first.path))
    for (file, other), paths in sorted(hidden.items()):
        yield _finding(file, other, sorted(paths))


def _module(path: str) -> tuple[str, int] | None:
    """Return the module that a file is, as a path without an end, and its kind; None of what is no module."""
    folder, _, file = path.rpartition("/")
    stem, _, end = file.partition(".")
    if not stem.isidentifier() or "{" in folder or not (end == "py" or end.rpartition(".")[2] == "so"):
        return None
    if stem == "__init__":
        return folder, _PACKAGE
    return f"{folder}/{stem}" if folder else stem, _SOURCE if end == "py" else _COMPILED


def _folders(held: Iterable[Iterable[_Held]]) -> Mapping[str, set[str]]:
    """Return the wheels that have modules anywhere below each folder."""
    nearest = {(one.path.rpartition("/")[0], one.wheel) for modules in held for one in modules}
    folders: defaultdict[str, set[str]] = defaultdict(set)
    for nearby, wheel in nearest:
        folder = nearby
        while folder and wheel not in folders[folder]:
            folders[folder].add(wheel)
            folder = folder.rpartition("/")[0]
    return folders


def _namespaces(name: str, modules: Iterable[_Held], folders: Mapping[str, set[str]]) -> Iterator[_Held]:
    """Yield the folders of a name that have modules; where any wheel has an `__init__` there, they are its package."""
    if all(one.kind != _PACKAGE for one in modules):
        for wheel in folders.get(name, ()):
            yield _Held(wheel=wheel, kind=_NAMESPACE, path=f"{name}/")


def _hidden(held: Sequence[_Held]) -> Iterator[tuple[_Held, _Held]]:
    """Yield what is hidden of one name, and by what; a wheel that hides modules of its own means to."""
    first = min(held, key=lambda one: (one.kind, one.wheel))
    taken = {one.wheel for one in held if one.kind == first.kind}
    for one in held:
        if one.kind != first.kind and one.wheel not in taken:
            yield one, first


def _finding(file: str, other: str, paths: Sequence[tuple[str, str]]) -> Finding:
    path, first = paths[0]
    what = counted(len(paths), "module")
    return Finding(
        check="ownership",
        rule="hidden-module",
        severity="error",
        wheel=file,
        member=path,
        message=f"{what} cannot be imported: Python takes {first} of {other} in place of {path}",
        evidence=first,
        repair="leave one of the two wheels out: `excludes` of the other's recipe does",
        details=tuple(path for path, _ in paths),
    )
