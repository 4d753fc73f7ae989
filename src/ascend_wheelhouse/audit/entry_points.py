"""Part of `metadata`: what pip or uv refuses: entry points without a callable, files of `.data` without a scheme.

Sources: the entry points specification (use for scripts) and the binary distribution format (the `.data` directory).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError

from ascend_wheelhouse.audit.record import finding
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.base.archives import leaves
from ascend_wheelhouse.wheels.wheel import BadWheelError, WheelFile

SCHEMES = {"purelib": "", "platlib": "", "scripts": "{scripts}/", "headers": "{headers}/", "data": "{data}/"}
"""The folders of `.data`, and where their files go."""
_SECTIONS = ("console_scripts", "gui_scripts")
_CALLABLE = re.compile(r"[\w.-]+\s*:\s*[\w.-]+(\s*\[.*\])?")


def scripts_of(wheel: WheelFile) -> list[tuple[str, str, str]]:
    """Return the scripts that installers make of a wheel's entry points: section, name, and what each starts.

    Raises:
        BadWheelError, configparser.Error: `entry_points.txt` cannot be read; a wheel without one has none.
    """
    name = f"{wheel.dist_info}/entry_points.txt"
    if name not in wheel:
        return []
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are case-sensitive
    parser.read_string(wheel.read_text(name))
    return [
        (section, script, starts)
        for section in _SECTIONS
        if parser.has_section(section)
        for script, starts in parser.items(section)
    ]


def refused_findings(wheel: WheelFile) -> Iterator[Finding]:
    """Yield what makes an installer give the wheel up: it is not there on the node then, whatever RECORD says."""
    for member in wheel.members:
        top, slash, rest = member.name.partition("/")
        scheme, _, inner = rest.partition("/")
        if slash and top.endswith(".data") and not member.is_dir and not (scheme in SCHEMES and inner):
            text = f"`.data` has no folder {scheme!r}: pip and uv refuse such a wheel"
            yield finding(wheel.filename, "data-folder", text, member=member.name)
    try:
        member_name = f"{wheel.dist_info}/entry_points.txt"
        scripts = scripts_of(wheel)
    except BadWheelError:
        return  # told with the rest of what cannot be read
    except ConfigError as error:
        text = "the entry points cannot be read: uv refuses such a wheel, and pip makes no script"
        evidence = str(error).partition("\n")[0]
        yield finding(wheel.filename, "entry-points", text, member=member_name, evidence=evidence)
        return
    for section, name, starts in scripts:
        if not _CALLABLE.fullmatch(starts.strip()):
            text = "an entry point for a script names no callable: pip and uv refuse such a wheel"
        elif leaves(name):
            text = "an entry point puts its script outside the environment's folder of programs"
        else:
            continue
        evidence = f"[{section}] {name} = {starts}"
        yield finding(wheel.filename, "entry-points", text, member=member_name, evidence=evidence)
