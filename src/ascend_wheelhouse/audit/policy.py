"""What the audit holds wheels to: the target, and what recipes and manifest say about distributions.

The checks see only this value, so that they work on a folder of wheels that this tool did not make.
`policy_from_recipes` is the one place that turns recipes into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.cell_words import stated_words
from ascend_wheelhouse.cells.compatibility import Compatibility
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.cells.stack import Catalogue, Stack
from ascend_wheelhouse.cells.target import Target

CORE = ("torch", "torchvision", "torch-npu", "triton-ascend")
"""Components whose versions have to be told of every combination."""
# CANN puts these beside the environment (PYTHONPATH of its set_env.sh); no wheel has them.
HOST_MODULES = frozenset(
    {"acl", "hccl", "hccl_v2", "msprof", "mspti", "op_test_frame", "opp", "tbe", "te", "tvm"}
)
# Objects that their package loads under `try` and does without: torchvision/extension.py, torchao/__init__.py, and
# numba/np/ufunc/parallel.py, which takes the first pool of threads that loads and has one of its own.
OPTIONAL_OBJECTS = {
    "torchvision": ("torchvision/*.so",),
    "torchao": ("torchao/_C*.so", "torchao/*/_C*.so"),
    "numba": ("numba/np/ufunc/omppool*.so", "numba/np/ufunc/tbbpool*.so"),
}


@dataclass(frozen=True, kw_only=True)
class KnownStack:
    """A stack file as the `cell` check compares it: versions by component, names with underscores."""

    name: str
    versions: Mapping[str, str]
    machines: frozenset[str]
    npus: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class AuditPolicy:
    """What is expected and what is allowed. Distribution names are normalised.

    Args:
        target: The node.
        cell: Expected version by component (`torch`, `torch_npu`, `cann`, ...); empty for a folder of wheels.
        derived: True when no stack lists the cell.
        host_libraries: By distribution, patterns of library names that it may leave to the host.
        closed: Recipe that alone may supply a distribution name.
        index_names: Closed names whose wheels may come from the index all the same.
        excluded: By distribution name, the distribution whose recipe keeps it out.
        undeclared: By distribution, requirements that its recipe knows it to need without declaring them.
        import_roots: By distribution, modules beside its top-level packages that are imported at run time.
        host_modules: Import names that the host provides.
        pending: By import name, the component that will bring it and that no origin has given yet.
        optional_objects: By distribution, patterns of objects that its package does without if they do not load.
        origins: By wheel file name, the kind of origin that the manifest states.
        yanked: By wheel file name, the reason why the index withdrew it.
        built_here: Distributions built from source by this project: no builder path may be left in them.
        carries_paths: By distribution, patterns of members that may carry one all the same.
        compatibility: What upstream states to fit together, or None where it is not at hand.
        stacks: The combinations that stack files list.
        compared: Components that make a combination: torch and its kin, the applications, and what goes with those.
        libraries: By distribution, patterns of shared libraries that its wheel must have.
        host_packages: By pattern of a library that the node has, the package that brings it.
        recipes: By distribution, the name of the recipe that describes its wheel.
        alone: Judge what is given and not whether it is a whole: what was not given may be elsewhere.
        host_symbols: By library name, the symbols that the CANN of `--cann-root` has; None when not supplied.
    """

    target: Target
    cell: Mapping[str, str] = field(default_factory=dict)
    derived: bool = False
    host_libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)
    index_names: frozenset[str] = frozenset()
    excluded: Mapping[str, str] = field(default_factory=dict)
    undeclared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    import_roots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    host_modules: frozenset[str] = HOST_MODULES
    pending: Mapping[str, str] = field(default_factory=dict)
    optional_objects: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(OPTIONAL_OBJECTS))
    origins: Mapping[str, str] = field(default_factory=dict)
    yanked: Mapping[str, str] = field(default_factory=dict)
    built_here: frozenset[str] = frozenset()
    carries_paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compatibility: Compatibility | None = None
    stacks: tuple[KnownStack, ...] = ()
    compared: tuple[str, ...] = CORE
    host_symbols: Mapping[str, frozenset[str]] | None = None
    libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    host_packages: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False
    recipes: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The options that name the cell on the command line, for what findings propose."""
        node = {"machine": self.target.machine, "npu": self.target.npu}
        return stated_words({"torch": "VERSION", **self.cell, **node})

    def leaves_to_host(self, distribution: str, library: str) -> bool:
        """Tell whether the distribution's recipe leaves a library to the host."""
        return any(fnmatchcase(library, pattern) for pattern in self.host_libraries.get(distribution, ()))

    def may_carry(self, distribution: str, member: str) -> bool:
        """Tell whether a member of a wheel built here may carry a path of the builder."""
        return any(fnmatchcase(member, pattern) for pattern in self.carries_paths.get(distribution, ()))

    def is_optional(self, distribution: str, path: str) -> bool:
        """Tell whether the distribution's package does without an object that does not load."""
        return any(fnmatchcase(path, pattern) for pattern in self.optional_objects.get(distribution, ()))


def policy_from_recipes(
    catalogue: Catalogue,
    compatibility: Compatibility,
    target: Target,
    *,
    cell: Mapping[str, str] | None = None,
    derived: bool = False,
) -> AuditPolicy:
    """Return the policy that recipes and stacks state for a target.

    Args:
        catalogue: Recipes and stacks.
        compatibility: What upstream states to fit together.
        target: The node.
        cell: Expected versions, as a manifest carries them.
        derived: True when no stack lists the cell.
    """
    recipes = catalogue.recipes.values()
    wheels = {canonicalize_name(recipe.distribution): recipe for recipe in recipes if recipe.distribution}
    return AuditPolicy(
        target=target,
        cell=dict(cell or {}),
        derived=derived,
        host_libraries={name: tuple(recipe.host_libraries) for name, recipe in wheels.items()},
        closed={canonicalize_name(owned): recipe.name for recipe in recipes for owned in recipe.owns},
        index_names=frozenset(name for name, recipe in wheels.items() if _from_index(recipe)),
        excluded={canonicalize_name(out): recipe.name for recipe in recipes for out in recipe.excludes},
        undeclared={
            name: tuple(item.requirement for item in recipe.undeclared) for name, recipe in wheels.items()
        },
        carries_paths={
            name: tuple(recipe.build.repair.carries_paths) for name, recipe in wheels.items() if recipe.build
        },
        recipes={name: recipe.name for name, recipe in wheels.items()},
        libraries={name: tuple(recipe.libraries) for name, recipe in wheels.items()},
        host_packages={
            library: f"{recipe.name}: {recipe.summary}"
            for recipe in recipes
            if recipe.kind == "payload"
            for library in recipe.libraries
        },
        import_roots={name: tuple(recipe.roots) for name, recipe in wheels.items() if recipe.roots},
        compared=_compared(catalogue),
        compatibility=compatibility,
        stacks=tuple(_known(stack) for stack in catalogue.stacks),
    )


def _compared(catalogue: Catalogue) -> tuple[str, ...]:
    applications = dict.fromkeys(stack.application for stack in catalogue.stacks)
    more: list[str] = []
    for name in applications:
        recipe = catalogue.recipes[name]
        more += [name, *recipe.needs, *(each for row in recipe.companions for each in row.components)]
    return tuple(dict.fromkeys((*CORE, *more)))


def _known(stack: Stack) -> KnownStack:
    versions = {name.replace("-", "_"): version for name, version in stack.components.items()}
    return KnownStack(
        name=stack.name,
        versions=versions | {"cann": stack.cann},
        machines=frozenset(stack.platforms),
        npus=frozenset(stack.npus),
    )


def _from_index(recipe: Recipe) -> bool:
    return any(origin.kind in {"index", "extra-index"} for origin in recipe.origins)
