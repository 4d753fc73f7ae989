"""Which modules a wheel's packages load when they are imported, and what those modules import from elsewhere.

Nothing is run. Modules are read as syntax trees, beginning at the wheel's top-level packages, and followed
through imports that are certain to happen: those in a function, under `try ... except ImportError`, under
`TYPE_CHECKING` or under a condition that the target does not decide are not. A package that loads files by
path (`importlib.util`) is taken to load the files below it whose names it mentions, as triton does its
backends.
"""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ascend_wheelhouse.audit.conditions import holds
from ascend_wheelhouse.audit.facts import Import
from ascend_wheelhouse.audit.quick_imports import is_code, margin_imports
from ascend_wheelhouse.audit.standard_library import standard_library

_LONGEST_SOURCE = 4 << 20
_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_ASIDE = frozenset({"test", "tests", "testing", "example", "examples", "docs", "benchmarks", "scripts"})
_VENDORED = frozenset({"_vendor", "vendor", "_vendored", "vendored", "extern", "third_party"})
_SUFFIX = ".py"
_BY_PATH = b"spec_from_file_location"
_DYNAMIC = (b"sys.modules", b"__path__", b"meta_path", b"modules[")
"""Words of packages whose modules need not be files below them."""


@dataclass(frozen=True, kw_only=True)
class _Import:
    """An import statement: the absolute dotted name, the names taken from it, and its line."""

    name: str
    names: tuple[str, ...]
    line: int


@dataclass(frozen=True, kw_only=True)
class Package:
    """What a wheel holds, as the walk needs it.

    Args:
        sources: Archive member by dotted module name.
        tops: Import names that the wheel provides, compiled ones included.
        read: Gives a member's bytes.
        python: The target's `major, minor`.
        beside: By folder, the names that can be imported from it once it is on the path; see `bundled`.
        modules: The dotted name of everything that is a module or a folder; see `everything`.
    """

    sources: Mapping[str, str]
    tops: frozenset[str]
    read: Callable[[str], bytes]
    python: tuple[int, int]
    beside: Mapping[str, Collection[str]]
    modules: Collection[str]

    def lacks(self, name: str) -> str:
        """Return the first part of a dotted name that a package of its own is asked for and has not; else nothing.

        Packages that change where their modules come from are believed to have it.
        """
        if name in self.modules:
            return ""
        parts = name.split(".")
        above: list[str] = []
        for end in range(1, len(parts)):
            above.append(".".join(parts[:end]))
            if (inner := ".".join(parts[: end + 1])) not in self.modules:
                return inner if all(map(self._is_plain, above)) else ""
        return ""

    def _is_plain(self, package: str) -> bool:
        """Tell whether all modules of a package are files below it, as far as its own says."""
        member = self.sources.get(package, "")
        return member.endswith("/__init__.py") and not any(word in self.read(member) for word in _DYNAMIC)


@dataclass(kw_only=True)
class _Walk:
    """One walk over the modules of a wheel."""

    package: Package
    seen: set[str] = field(default_factory=set)
    external: dict[str, Import] = field(default_factory=dict)

    def run(self, roots: Iterable[str]) -> None:
        waiting = sorted(root for root in roots if root in self.package.sources)
        while waiting:
            module = waiting.pop()
            if module not in self.seen:
                self.seen.add(module)
                waiting += self._follow(module)

    def _follow(self, module: str) -> list[str]:
        """Return the modules that a module loads; none of one that is nested deeper than this Python follows."""
        try:
            return self._read(module)
        except RecursionError:
            return []

    def _read(self, module: str) -> list[str]:
        member = self.package.sources[module]
        data = self.package.read(member)
        parent = module if member.endswith("/__init__.py") else module.rpartition(".")[0]
        by_path = _BY_PATH in data
        quick = None if by_path else margin_imports(data)
        if quick is not None and self._is_sure(data, quick, parent):
            body = quick
        elif (tree := parse(data)) is not None:
            body = tree.body
        else:
            return []
        following = list(self._loaded_by_path(body, member)) if by_path else []
        for found in _imports(body, parent, self.package.python):
            following += self._one(found, member)
        return following

    def _is_sure(self, data: bytes, quick: list[ast.stmt], parent: str) -> bool:
        """Tell whether the imports that would be told of are no words in a text, such as an example."""
        news = {one.line for one in _imports(quick, parent, self.package.python) if self._is_news(one)}
        return not news or is_code(data, news)

    def _is_news(self, found: _Import) -> bool:
        """Tell whether an import would be told of."""
        if self._is_foreign(found):
            return _short(found.name) not in self.external
        return (lacking := self.package.lacks(found.name)) != "" and lacking not in self.external

    def _is_foreign(self, found: _Import) -> bool:
        top = found.name.partition(".")[0]
        return top not in self.package.tops and top not in standard_library(self.package.python)

    def _one(self, found: _Import, member: str) -> list[str]:
        parts = found.name.split(".")
        if self._is_foreign(found):
            if self._bundled(parts[0], member):
                return []
            short = _short(found.name)
            self.external.setdefault(short, Import(short, member, found.line))
            return []
        if lacking := self.package.lacks(found.name):
            self.external.setdefault(lacking, Import(lacking, member, found.line))
        names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        names += [f"{found.name}.{name}" for name in found.names]
        return [name for name in names if name in self.package.sources and name not in self.seen]

    def _bundled(self, name: str, member: str) -> bool:
        """Tell whether the wheel holds the module beside the importing one, or in a folder of vendored ones."""
        folder = member.rpartition("/")[0]
        return name in self.package.beside.get(folder, ()) or name in self.package.beside.get("", ())

    def _loaded_by_path(self, body: list[ast.stmt], member: str) -> Iterator[str]:
        loads = any(
            isinstance(node, ast.Attribute) and node.attr == "spec_from_file_location"
            for one in body
            for node in ast.walk(one)
        )
        if not loads or not member.endswith("/__init__.py"):
            return
        folder = member.removesuffix("__init__.py")
        texts = {node.value for one in body for node in ast.walk(one) if isinstance(node, ast.Constant)}
        files = {text for text in texts if isinstance(text, str) and text.endswith(_SUFFIX)}
        for module, path in self.package.sources.items():
            if path.startswith(folder) and path.removeprefix(folder).split("/")[1:] in [
                [file] for file in files
            ]:
                yield module


def _short(name: str) -> str:
    return ".".join(name.split(".")[:3])


def external_imports(package: Package, roots: Iterable[str]) -> tuple[Import, ...]:
    """Return what the modules reached from `roots` import and the wheel has not, each name once.

    Args:
        package: What the wheel holds.
        roots: Dotted names to begin at; unknown ones are passed over.
    """
    walk = _Walk(package=package)
    walk.run(roots)
    return tuple(walk.external[name] for name in sorted(walk.external))


def modules_of(members: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the archive member of every `.py` module.

    Args:
        members: Pairs of installed path (relative to site-packages) and archive member.
    """
    found = {}
    for path, member in members:
        if path.endswith(_SUFFIX) and "{" not in path:
            parts = path.removesuffix(_SUFFIX).split("/")
            found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = member
    return found


def bundled(members: Iterable[str]) -> dict[str, set[str]]:
    """Return the module names in each folder; those in folders of vendored packages stand under an empty key."""
    found: dict[str, set[str]] = {}
    for member in members:
        *folders, file = member.split("/")
        if file.endswith((_SUFFIX, ".so")):
            found.setdefault("/".join(folders), set()).add(file.partition(".")[0])
        for place, folder in enumerate(folders[:-1]):
            if folder in _VENDORED:
                found.setdefault("", set()).add(folders[place + 1])
        if folders and folders[-1] in _VENDORED:
            found.setdefault("", set()).add(file.partition(".")[0])
    return found


def everything(paths: Iterable[str]) -> frozenset[str]:
    """Return the dotted names of all modules, compiled ones included, and of all folders."""
    found: set[str] = set()
    for path in paths:
        folder, _, file = path.rpartition("/")
        if file.endswith((_SUFFIX, ".so", ".pyc")):
            found.add(f"{folder}/{file.partition('.')[0]}" if folder else file.partition(".")[0])
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(name.replace("/", ".") for name in found)


def natural_roots(sources: Mapping[str, str]) -> list[str]:
    """Return the top-level packages and modules, those for tests and documents left out."""
    return [name for name in sources if "." not in name and name not in _ASIDE]


def parse(data: bytes) -> ast.Module | None:
    """Return the syntax tree, or None where the source is too long, too deep or no Python of this version."""
    if len(data) > _LONGEST_SOURCE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _imports(body: Iterable[ast.stmt], package: str, python: tuple[int, int]) -> Iterator[_Import]:
    for node in body:
        match node:
            case ast.Import():
                for alias in node.names:
                    yield _Import(name=alias.name, names=(), line=node.lineno)
            case ast.ImportFrom():
                if name := _absolute(node, package):
                    yield _Import(
                        name=name, names=tuple(alias.name for alias in node.names), line=node.lineno
                    )
            case _:
                for inner in _certain(node, python):
                    yield from _imports(inner, package, python)


def _certain(node: ast.stmt, python: tuple[int, int]) -> Iterator[list[ast.stmt]]:
    """Yield the blocks of a compound statement that are certain to run at import."""
    match node:
        case ast.ClassDef() | ast.For() | ast.While():
            yield node.body
        case ast.With():
            if not any("suppress" in ast.dump(item.context_expr) for item in node.items):
                yield node.body
        case ast.Try():
            if not any(_catches_imports(handler) for handler in node.handlers):
                yield node.body
            yield node.finalbody
        case ast.If():
            verdict = holds(node.test, python)
            if verdict is not None:
                yield node.body if verdict else node.orelse


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler may catch an import that fails; what a name of its own stands for is not known."""
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = (ast.unparse(kind).rpartition(".")[2] for kind in kinds)
    return any(name in _CAUGHT or not hasattr(builtins, name) for name in names)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])]) if kept else ""
