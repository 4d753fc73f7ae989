"""Files of `recipes/serving/`: how servers of one application's line are started, alone, over nodes, and as a pair.

A topology is the words after a program's name. What only a person or a run knows stands in it as a `{placeholder}`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from packaging.specifiers import SpecifierSet
from pydantic import AfterValidator, Field, ValidationInfo

from ascend_wheelhouse.base.toml_fault import Fault, raise_for, shown
from ascend_wheelhouse.base.toml_file import FileModel
from ascend_wheelhouse.cells.file_values import FileName, Module, ServingName, Text, Variable, VersionRange
from ascend_wheelhouse.cells.placeholders import placeholders
from ascend_wheelhouse.cells.target import NPUS, Target

PLACEHOLDERS = {
    "store": "tcp://HOST:PORT of MemFabric's store, the same for every server of a pair",
    "bootstrap_port": "a free port of the prefill node, where decode servers ask for the cache",
    "base_gpu_id": "the first device that this server takes",
    "dist_init_addr": "HOST:PORT of the first of several nodes, the same on each",
    "node_rank": "which of several nodes this is, from 0",
    "network_card": "the card by which the nodes of a server reach each other",
    "prefill": "URL of the prefill server",
    "decode": "URL of the decode server",
    "draft_model": "folder of the draft model's weights",
}
"""What a topology may leave to whoever starts it; docs/serving.md tells of each."""

_Chip = Literal["all", "a3", "910b", "950"]


def _known_placeholders(value: Any) -> Any:  # noqa: ANN401 - a list or a table of texts
    faults = [
        Fault(path, f"has {{{name}}}, allowed are {', '.join(sorted(PLACEHOLDERS))}")
        for path, name in placeholders(value)
        if name not in PLACEHOLDERS
    ]
    raise_for(faults)
    return value


class Topology(FileModel):
    """How one program is started: the words after its name.

    Args:
        program: The module that `python -m` runs.
        arguments: Its words, without the model, host and port.
        environment: Its variables.
        unset: Variables that it must not have.
        devices: How many devices of a node it takes; 0 for a router.
        nodes: How many nodes it takes.
        weights: What weights it is for, where not any.
        source: Where upstream has it.
        adapted: What is otherwise here, and why.
    """

    program: Module = "sglang.launch_server"
    arguments: Annotated[list[Text], Field(min_length=1), AfterValidator(_known_placeholders)]
    environment: Annotated[dict[Variable, str], AfterValidator(_known_placeholders)] = {}
    unset: list[Variable] = []
    devices: int = Field(default=1, ge=0)
    nodes: int = Field(default=1, ge=1)
    weights: str = ""
    source: Text
    adapted: str = ""


class Pair(FileModel):
    """A prefill and a decode server and the router in front of them, by the names of their topologies."""

    prefill: FileName
    decode: FileName
    router: FileName


_Topologies = dict[_Chip, dict[FileName, Topology]]


def _of_topologies(pairs: dict[str, Pair], info: ValidationInfo) -> dict[str, Pair]:
    """Hold each pair to topologies that every chip has; a file that extends another has them there."""
    if pairs and info.data.get("extends"):
        raise_for([Fault((), "stands in the file that this one extends", "reference")])
    if (topologies := info.data.get("topologies")) is None:
        return pairs
    per_chip = [
        {*topologies.get("all", {}), *topologies.get(chip, {})} for chip in NPUS if chip in topologies
    ] or [set(topologies.get("all", {}))]
    known = set.intersection(*per_chip)
    raise_for(
        Fault((name, part), f"is {shown(wanted)}, every chip has {', '.join(sorted(known))}", "reference")
        for name, pair in pairs.items()
        for part, wanted in pair.model_dump().items()
        if wanted not in known
    )
    return pairs


def _some_unless_extending(topologies: _Topologies, info: ValidationInfo) -> _Topologies:
    if not topologies and not info.data.get("extends"):
        raise_for([Fault((), "is empty: a file that extends no other names at least one topology")])
    return topologies


class Serving(FileModel):
    """One file of `recipes/serving/`: how servers of an application's line are started.

    Args:
        name: The file's name, which stacks refer to.
        extends: The file that it differs from: what stands here goes before what stands there.
        versions: Releases of the application that the file is for, where no stack lists one of them.
        command: What starts a server, without its words; an image shows its help.
        imports: The modules that a server start imports: what the probe `serving-imports` imports.
        cpu_arguments: Words that a server needs besides where it is tried on a CPU.
        standins: Whether it serves on a CPU with the stand-in modules of the project alone, as SGLang does.
        environment: Variables recommended for every topology.
        topologies: Topologies by chip and name; those of `all` hold for every chip.
        pairs: Prefill and decode servers that belong together, by name.
        known_failures: Probes (`PROBE` or `PROBE/ITEM`) that are known to fail on a machine, and why that is fine.
    """

    name: FileName
    extends: ServingName = ""
    versions: VersionRange = ""
    command: list[Text] = []
    imports: list[Module] = []
    cpu_arguments: list[Text] = []
    standins: bool = True
    environment: dict[Variable, str] = {}
    topologies: Annotated[
        _Topologies, AfterValidator(_some_unless_extending), Field(validate_default=True)
    ] = {}
    pairs: Annotated[dict[FileName, Pair], AfterValidator(_of_topologies)] = {}
    known_failures: dict[Literal["all", "aarch64", "x86_64"], dict[Text, Text]] = {}

    def over(self, base: Serving) -> Serving:
        """Return this file laid over the one that it extends, topology by topology."""
        chips = {**base.topologies, **self.topologies}
        return base.model_copy(
            update={
                "name": self.name,
                "versions": self.versions,
                "command": self.command or base.command,
                "imports": self.imports or base.imports,
                "cpu_arguments": self.cpu_arguments or base.cpu_arguments,
                "environment": {**base.environment, **self.environment},
                "topologies": {
                    chip: {**base.topologies.get(chip, {}), **self.topologies.get(chip, {})} for chip in chips
                },
                "known_failures": {
                    machine: {**base.known_failures.get(machine, {}), **self.known_failures.get(machine, {})}
                    for machine in {**base.known_failures, **self.known_failures}
                },
            }
        )

    def serves(self, release: str) -> bool:
        """Tell whether the file is for a release that no stack lists."""
        return bool(self.versions) and SpecifierSet(self.versions, prereleases=True).contains(release)

    def of(self, target: Target) -> dict[str, Any]:
        """Return what holds for the target's chip, as the manifest carries it."""
        chosen = {**self.topologies.get("all", {}), **self.topologies.get(target.npu, {})}
        plain = {name: topology.model_dump() for name, topology in sorted(chosen.items())}
        known = {**self.known_failures.get("all", {}), **self.known_failures.get(target.machine, {})}
        pairs = {name: pair.model_dump() for name, pair in sorted(self.pairs.items())}
        start = {
            "command": self.command,
            "imports": self.imports,
            "cpu_arguments": self.cpu_arguments,
            "standins": self.standins,
            "environment": self.environment,
        }
        return {**start, "known_failures": known, "topologies": plain, "pairs": pairs}
