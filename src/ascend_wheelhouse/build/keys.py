"""Keys of steps: the hash of everything that can change what a step gives.

A build whose key is known is never done again. Paths, times and the number of cores are not in it, because
a wheel must not depend on them; `invoke reproduce` proves that it does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ascend_wheelhouse.build.job import BuildJob

SCHEMA = 4
_OF_IMAGE = {
    "grafts": "of the image"
}  # before, wheels that were built in one took libraries of the host along


def digest_of(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of facts written as JSON, keys sorted, no blanks."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def build_facts(job: BuildJob, toolchain: Mapping[str, str], *, sealed: bool) -> dict[str, Any]:
    """Return what a build's key is made of, to be shown when two keys differ.

    Args:
        job: The build.
        toolchain: What each tool identifies itself as.
        sealed: Whether it runs in a sandbox or container.
    """
    facts = {
        "schema": SCHEMA,
        "component": job.component,
        "version": job.version,
        "machine": job.machine,
        "python": job.python,
        "recipe": job.spec.model_dump(mode="json"),
        "source": job.sources.digest,
        "epoch": job.sources.epoch,
        "patches": [patch.sha256 for patch in job.sources.patches],
        "repositories": {item.path: item.source.digest for item in job.sources.repositories},
        "environment": sorted(file.sha256 for file in job.sources.environment),
        "host_libraries": sorted(job.host_libraries),
        "toolchain": dict(toolchain),
        "sealed": sealed,
    }
    return facts | (_OF_IMAGE if "container" in toolchain else {})


def build_key(job: BuildJob, toolchain: Mapping[str, str], *, sealed: bool = True) -> str:
    """Return the key of a build."""
    return digest_of(build_facts(job, toolchain, sealed=sealed))
