"""Which toolchain of ours fits a build on this builder, and whether it can be used here at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base import counting, qemu
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.build.rooted import Rooted
from ascend_wheelhouse.build.target_root import lay_root
from ascend_wheelhouse.build.toolchain import ToolchainUnfitError
from ascend_wheelhouse.cells.spec import BuildSpec
from ascend_wheelhouse.cells.target import Target, dotted
from ascend_wheelhouse.cells.toolchains import ToolchainFor, ToolchainRecipe
from ascend_wheelhouse.locks.toolchain_lock import ToolchainLock, read_toolchain
from ascend_wheelhouse.store.store import Store

_HAS = frozenset({"gcc", "glibc", "binutils", "cmake", "make", "ninja"})
Bring = Callable[[ToolchainLock], None]


def _not_brought(_lock: ToolchainLock) -> None:
    """Ask no origin."""


@dataclass(frozen=True, kw_only=True)
class OwnToolchains:
    """The toolchains of a project folder.

    Args:
        recipes: What there is.
        lockfiles: Where their locks are.
        store: Where their packages are.
        host: This builder's machine.
        bring: Has a toolchain's packages in the store, where origins may be asked.
    """

    recipes: tuple[ToolchainRecipe, ...]
    lockfiles: Path | Layered
    store: Store
    host: str
    bring: Bring = _not_brought

    def rooted(self, spec: BuildSpec, target: Target, *, brought: frozenset[str] = frozenset()) -> Rooted:
        """Return the sandbox of the toolchain that a build asks for.

        Args:
            spec: The build.
            target: The nodes.
            brought: Tools that come from elsewhere.

        Raises:
            ToolchainUnfitError: None fits, or what fits cannot be used here; the text tells everything that is missing.
        """
        chosen = self.choose(spec, target)
        problems = list(self._problems(spec, chosen, target, _HAS | brought))
        lock = read_toolchain(self.lockfiles, chosen.name) if chosen else None
        if chosen and lock is None:
            problems.append(f"the toolchain {chosen.name} is not locked")
        if lock and not problems:
            self.bring(lock)
            missing = [file.filename for file in lock.files if not self.store.has(file.sha256)]
            if missing:
                lacking = f"{counting.counted(len(missing), 'package')} of {lock.name}"
                problems.append(f"{lacking} {counting.be(len(missing))} not in the store")
        if problems or lock is None:
            raise ToolchainUnfitError(
                f"No toolchain of ours builds this for {target.manylinux} on {self.host}: {'; '.join(problems)}.",
                next_step=self._next(chosen, lock, target),
            )
        return Rooted(root=lay_root(lock, target.glibc, self.store))

    def choose(self, spec: BuildSpec, target: Target) -> ToolchainFor | None:
        """Return the newest toolchain within a build's bounds that has a C library for the target; else None."""
        fit = [
            one
            for one in self.recipes
            if one.fits(spec.toolchain.get("gcc", ""))
            and one.sysroot(target.glibc)
            and one.has_python(target.python)
        ]
        newest = max(fit, key=lambda one: Version(one.gcc), default=None)
        return ToolchainFor(recipe=newest, host=self.host, target=target) if newest else None

    def locked(self, spec: BuildSpec, target: Target) -> ToolchainLock | None:
        """Return the lock of the toolchain that a build would take on this builder, wherever its packages are."""
        chosen = self.choose(spec, target)
        unmet = set(spec.toolchain) - _HAS - {"cann"}
        return read_toolchain(self.lockfiles, chosen.name) if chosen and not unmet else None

    def _problems(
        self, spec: BuildSpec, chosen: ToolchainFor | None, target: Target, there: frozenset[str]
    ) -> Iterator[str]:
        if chosen is None:
            ours = ", ".join(f"{one.name} ({one.gcc})" for one in self.recipes) or "none"
            wanted = f"gcc {spec.toolchain.get('gcc', '')} for glibc {dotted(target.glibc)}"
            if any(one.has_python(target.python) for one in self.recipes):
                yield f"{wanted} wanted, there is {ours}"
            else:
                yield f"{wanted} and Python {dotted(target.python)} wanted, there is {ours} with {self._pythons}"
        yield from (f"{name} {bound} wanted" for name, bound in spec.toolchain.items() if name not in there)
        if chosen and chosen.foreign:
            if not qemu.qemu(target.machine):
                yield f"qemu-{target.machine}-static is not installed"
            elif said := qemu.refusal(target.machine):
                yield f"binfmt_misc: {said}"

    @property
    def _pythons(self) -> str:
        known = {python for one in self.recipes for python in one.system.pythons}
        return f"Python {', '.join(sorted(known, key=Version))}"

    def _next(self, chosen: ToolchainFor | None, lock: ToolchainLock | None, target: Target) -> str:
        if chosen is None:
            return "build in the recipe's image with --container, or with the tools of a host of that architecture"
        if chosen.foreign and not qemu.qemu(target.machine):
            return "apt install qemu-user-static"
        return chosen.command if lock else f"{chosen.command} --lock"
