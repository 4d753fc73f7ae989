"""The run: facts of every wheel, from the store or read by `readers`, then the checks over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.utils import canonicalize_name

from ascend_wheelhouse.audit import (
    cell,
    cxx_abi,
    extension_names,
    hidden_modules,
    hygiene,
    imports,
    link_closure,
    lost_scripts,
    metadata,
    own_libraries,
    ownership,
)
from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.readers import READERS_AT_ONCE, WheelInput, WheelToRead, known_facts, read_all
from ascend_wheelhouse.audit.report import AuditReport, Finding, in_order
from ascend_wheelhouse.audit.universe import Universe
from ascend_wheelhouse.base.events import Emit, JobFinished, Stage, silent
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.store.proven import file_sha256
from ascend_wheelhouse.store.store import Store


def audit_wheels(
    wheels: Iterable[Path | WheelInput], policy: AuditPolicy, store: Store | None = None, emit: Emit = silent
) -> AuditReport:
    """Audit wheels as one set and return the report; nothing is unpacked to disk, imported or run.

    Args:
        wheels: The wheels, in any order.
        policy: What they are held to.
        store: Where facts are kept; nothing is kept when None.
        emit: Told of the progress.

    Raises:
        ReaderKilledError: A reading process was killed, most likely for want of memory.
    """
    inputs = [wheel if isinstance(wheel, WheelInput) else _input(wheel) for wheel in wheels]
    facts = sorted(_facts(inputs, policy, store, emit), key=lambda item: item.file)
    emit(Stage(name="audit: check"))
    with timed(emit, "audit", "check"):
        findings, left = judge(facts, policy)
    return AuditReport(
        wheels=tuple(item.file for item in facts),
        findings=in_order(findings),
        left_to_host=left,
        cell=cell.versions_of(facts, policy),
    )


def judge(facts: Sequence[WheelFacts], policy: AuditPolicy) -> tuple[list[Finding], Mapping[str, int]]:
    """Return the findings of every check over facts, and the symbols left to the host by wheel."""
    universe = Universe(facts, policy)
    findings = [hygiene.held(finding, item.name, policy) for item in facts for finding in item.findings]
    findings = [*lost_scripts.lost(findings, facts, policy)]
    linked, left = link_closure.check(universe)
    findings += linked
    findings += own_libraries.check(facts, policy)
    findings += extension_names.check(facts, policy)
    findings += cxx_abi.check(universe)
    findings += ownership.check(facts)
    findings += hidden_modules.check(facts)
    findings += metadata.check(facts, policy)
    findings += imports.check(facts, policy)
    findings += cell.check(facts, policy)
    return findings, left


def _input(path: Path) -> WheelInput:
    return WheelInput(path=path, filename=path.name)


def _facts(
    inputs: Sequence[WheelInput], policy: AuditPolicy, store: Store | None, emit: Emit
) -> Iterator[WheelFacts]:
    emit(Stage(name="audit: read wheels", jobs=len(inputs)))
    unread = []
    # one wheel that was named twice is one
    tasks = {task.key: task for task in _tasks(inputs, policy, store)}
    for task in tasks.values():
        known = known_facts(task, store)
        if known is None:
            unread.append(task)
        else:
            emit(JobFinished(job=task.wheel.filename, outcome="cached"))
            yield known
    if unread:
        yield from read_all(unread, store, emit)


def _tasks(inputs: Sequence[WheelInput], policy: AuditPolicy, store: Store | None) -> Iterator[WheelToRead]:
    hashed = store.proven.digest if store else file_sha256
    with ThreadPoolExecutor(READERS_AT_ONCE, thread_name_prefix="hash") as pool:
        digests = pool.map(hashed, [wheel.path for wheel in inputs])
        for wheel, sha256 in zip(inputs, digests, strict=True):
            roots = policy.import_roots.get(canonicalize_name(wheel.filename.partition("-")[0]), ())
            yield WheelToRead(wheel=wheel, sha256=sha256, python=policy.target.python, roots=tuple(roots))
