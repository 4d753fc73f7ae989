"""The objects of all wheels, as they lie beside each other in one site-packages folder.

Here is how a library name becomes a library: by the object's search path, by the node's system, by what the
wheel or the wheels that it imports have loaded already, by what the recipe leaves to the host.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from posixpath import normpath
from typing import Final, Literal

from ascend_wheelhouse.audit import mangled
from ascend_wheelhouse.audit.advice import host_package
from ascend_wheelhouse.audit.facts import ObjectFacts, WheelFacts
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.system import System

SYSTEM: Final = "system"
HOST: Final = "host"
_CUDA = re.compile(
    r"lib(c10_cuda|torch_cuda|cuda|cudart|cublas|cudnn|cufft|cusparse|nv|nccl|cupti)[\w.-]*\.so"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """An object in its wheel; compared by identity."""

    wheel: WheelFacts
    object: ObjectFacts


Found = Placed | Literal["system", "host"] | None


class Universe:
    """Every object of the wheelhouse, found by path and by name."""

    def __init__(self, wheels: Sequence[WheelFacts], policy: AuditPolicy) -> None:
        self.wheels = wheels
        self.policy = policy
        self.system = System.of(policy.target)
        self.objects = [Placed(wheel=wheel, object=item) for wheel in wheels for item in wheel.objects]
        self._by_path = {placed.object.path: placed for placed in self.objects}
        self._by_wheel: defaultdict[str, list[Placed]] = defaultdict(list)
        self._by_name: defaultdict[str, list[Placed]] = defaultdict(list)
        for placed in self.objects:
            self._by_wheel[placed.wheel.file].append(placed)
            for name in {placed.object.file_name, placed.object.soname} - {""}:
                self._by_name[name].append(placed)
        self._resolved: dict[tuple[int, str], Found] = {}

    def resolve(self, placed: Placed, library: str) -> Found:
        """Return what a needed library is: an object, `system`, `host`, or None where nothing has it."""
        key = (id(placed), library)
        if key not in self._resolved:
            self._resolved[key] = self._resolve(placed, library)
        return self._resolved[key]

    def _resolve(self, placed: Placed, library: str) -> Found:
        if (found := self._on_path(placed, library)) is not None:
            return found
        if self.system.has(library):
            return SYSTEM
        candidates = self._by_name.get(library, [])
        own = [one for one in candidates if one.wheel is placed.wheel]
        loaded = [one for one in candidates if self.loads(placed, one)]
        if own or loaded:
            return (own or loaded)[0]
        if self.policy.leaves_to_host(placed.wheel.name, library):
            return HOST
        return candidates[0] if candidates else None

    def _on_path(self, placed: Placed, library: str) -> Placed | None:
        """Return what the linker finds by its search path; a name with a slash is a path itself, and not looked for."""
        folder = placed.object.path.rpartition("/")[0]
        for entry in [library] if "/" in library else [f"{one}/{library}" for one in placed.object.rpath]:
            relative = entry.replace("${ORIGIN}", "$ORIGIN")
            if relative.startswith("$ORIGIN/"):
                path = normpath(f"{folder}{relative.removeprefix('$ORIGIN')}").removeprefix("/")
                if path in self._by_path:
                    return self._by_path[path]
        return None

    def loads(self, placed: Placed, other: Placed) -> bool:
        """Tell whether the other object is found by path, or loaded before by its wheel being imported."""
        if other.wheel is placed.wheel or other.wheel.name in self._companions[placed.wheel.file]:
            return True
        return self._on_path(placed, other.object.file_name) is other

    def on_a_path(self, found: Placed) -> bool:
        """Tell whether any object finds a library by path: others inherit that, or have the library loaded by it."""
        name = found.object.file_name
        return any(self._on_path(one, name) is found for one in self.objects)

    @cached_property
    def _companions(self) -> dict[str, frozenset[str]]:
        """By wheel, the distributions that it imports or requires, through any number of steps."""
        providers = {name.partition(".")[0]: wheel.name for wheel in self.wheels for name in wheel.top_level}
        direct: dict[str, frozenset[str]] = {}
        for wheel in self.wheels:
            imported = {providers.get(item.name.partition(".")[0], "") for item in wheel.imports}
            direct[wheel.name] = wheel.required_names | (imported - {""})
        return {wheel.file: frozenset(_reached(wheel.name, direct)) for wheel in self.wheels}

    def scope(self, placed: Placed) -> list[Placed]:
        """Return every object whose symbols it may use: what it needs, step by step, and its own wheel's."""
        found = self._needed(placed)
        for one in self._by_wheel[placed.wheel.file]:
            found.setdefault(id(one), one)
        return list(found.values())

    def _needed(self, placed: Placed) -> dict[int, Placed]:
        """Return an object and what it needs, step by step, by identity."""
        found: dict[int, Placed] = {}
        waiting = [placed]
        while waiting:
            one = waiting.pop()
            if id(one) in found:
                continue
            found[id(one)] = one
            targets = (self.resolve(one, library) for library in one.object.needed)
            waiting += [target for target in targets if isinstance(target, Placed)]
        return found

    def host_libraries(self, placed: Placed) -> frozenset[str]:
        """Return the host's libraries that are loaded with an object: those that it needs, step by step."""
        return frozenset(
            library
            for one in self._needed(placed).values()
            for library in one.object.needed
            if self.resolve(one, library) is HOST
        )

    def not_given(self, libraries: Iterable[str]) -> list[str]:
        """Return which of the host's libraries are of a package, such as NNAL, that is not in the CANN given."""
        known = self.policy.host_symbols or {}
        return sorted(
            library
            for library in set(libraries) - known.keys()
            if (package := host_package(library, self.policy)) and package not in self._given_packages
        )

    @cached_property
    def _given_packages(self) -> frozenset[str]:
        return frozenset(host_package(library, self.policy) for library in self.policy.host_symbols or {})

    def system_libraries(self, placed: Placed) -> frozenset[str]:
        """Return the system libraries that the object's wheel needs."""
        return frozenset(
            library
            for one in self._by_wheel[placed.wheel.file]
            for library in one.object.needed
            if self.resolve(one, library) is SYSTEM
        )

    def uses_host(self, wheel: WheelFacts) -> bool:
        """Tell whether any object of the wheel needs a library of the host."""
        return any(
            self.resolve(one, library) is HOST
            for one in self._by_wheel[wheel.file]
            for library in one.object.needed
        )

    @cached_property
    def torch_version(self) -> str:
        """The version of the torch among the wheels, or nothing."""
        return next((wheel.version for wheel in self.wheels if wheel.name == "torch"), "")

    def left_to_absent(self, placed: Placed) -> bool:
        """Tell whether what an object lacks may be in a wheel that was not given, where wheels are judged alone."""
        if not self.policy.alone:
            return False
        given = {wheel.name for wheel in self.wheels}
        imported = {item.name.partition(".")[0] for item in placed.wheel.imports}
        return bool(placed.wheel.required_names - given) or bool(imported - self._given_modules)

    @cached_property
    def _given_modules(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for wheel in self.wheels for name in wheel.top_level)

    @cached_property
    def torch_abi(self) -> str:
        """The C++11 ABI of torch's own exported symbols: `new`, `old`, or empty where there is no torch."""
        core = {"libc10.so", "libtorch_cpu.so"}
        votes: Counter[str] = Counter()
        for placed in self.objects:
            if placed.wheel.name == "torch" and placed.object.file_name in core:
                votes += placed.object.exported_abis
        return max(votes, key=votes.__getitem__, default="")

    def cuda_libraries(self, placed: Placed) -> tuple[str, ...]:
        """Return the CUDA libraries that the object needs and nothing has: no NPU node can load it."""
        return tuple(
            library
            for library in placed.object.needed
            if _CUDA.match(library) and self.resolve(placed, library) is None
        )

    def abi_differs(self, placed: Placed, name: str) -> bool:
        """Tell whether a symbol is of the other C++11 ABI than torch's: the `cxx-abi` check reports it."""
        if placed.wheel.name == "torch" or not self.torch_abi:
            return False
        abi = mangled.string_abi(name)
        return bool(abi) and abi != self.torch_abi and mangled.is_closed(name)


def _reached(name: str, direct: dict[str, frozenset[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += direct.get(one, frozenset())
    return seen - {name}
