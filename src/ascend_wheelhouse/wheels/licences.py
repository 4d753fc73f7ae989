"""Which licence a wheel declares: in SPDX where that is certain, in the wheel's own words where it is not.

Order of trust: PEP 639's `License-Expression`, then trove classifiers, then the free `License` field. A
classifier that stands for several SPDX licences ("BSD License") is never narrowed down by guessing.
"""

from __future__ import annotations

from collections.abc import Iterator

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseAcknowledgement
from packaging.metadata import RawMetadata

_LONGEST_NAME = 100
_DECLARED = LicenseAcknowledgement.DECLARED
_CERTAIN = {
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "GNU Lesser General Public License v2.1 or later (LGPLv2.1+)": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}
_SPELLINGS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache-2.0 license": "Apache-2.0",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "mit license": "MIT",
    "mpl 2.0": "MPL-2.0",
    "the mit license": "MIT",
}


def declared(metadata: RawMetadata) -> list[License]:
    """Return the declared licences: one SPDX expression, or a list of single licences, or nothing."""
    factory = LicenseFactory()
    if expression := metadata.get("license_expression", ""):
        return [factory.make_from_string(expression, license_acknowledgement=_DECLARED)]
    field = _first_line(metadata.get("license", ""))
    classified = list(_classified(metadata))
    if field and not all(spdx for _, spdx in classified):
        classified = []
    names = [spdx or name for name, spdx in classified] or [field]
    found = [factory.make_from_string(name, license_acknowledgement=_DECLARED) for name in names if name]
    return found if len(found) == 1 else [_single(name) for name in names if name]


def _single(name: str) -> DisjunctiveLicense:
    return LicenseFactory().make_with_name(name, acknowledgement=_DECLARED) if " " in name else _by_id(name)


def _by_id(name: str) -> DisjunctiveLicense:
    made = LicenseFactory().make_from_string(name, license_acknowledgement=_DECLARED)
    if isinstance(made, DisjunctiveLicense):
        return made
    return LicenseFactory().make_with_name(name, acknowledgement=_DECLARED)


def _classified(metadata: RawMetadata) -> Iterator[tuple[str, str]]:
    for classifier in metadata.get("classifiers", []):
        parts = classifier.split(" :: ")
        if parts[0] == "License" and parts[-1] not in ("License", "OSI Approved"):
            yield parts[-1], _CERTAIN.get(parts[-1], "")


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if line.upper() in ("UNKNOWN", ""):
        return ""
    return _SPELLINGS.get(line.lower(), line[:_LONGEST_NAME])
