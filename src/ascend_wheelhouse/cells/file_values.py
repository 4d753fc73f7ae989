"""The kinds of values that recipes, stacks and their kin hold, each with the rule that it is held to.

Every rule belongs to one value, so that one pass tells of every value that breaks its own. Names that something else
must have are looked up among `Known`, which the reader of the folder hands in.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Hashable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from pydantic import AfterValidator, ValidationInfo

from ascend_wheelhouse.base.settings import SHAPES
from ascend_wheelhouse.base.toml_fault import Fault, ReferenceFaultError, meant, raise_for, shown
from ascend_wheelhouse.base.toml_file import Known
from ascend_wheelhouse.node import documents

CELL_FIELDS = frozenset(
    {"machine", "npu", "torch", "cann", "cann_lower", "python", "python_tag", "py", "glibc"}
)
TEMPLATE_FIELDS = CELL_FIELDS | {
    "version",
    "torchvision",
    "torch_npu",
    "triton_ascend",
    "sglang",
    "sgl_kernel_npu",
    "ascend",
    "branch",
    "release",
    "filename",
    "archive",
}
_SCHEMES = ("https", "http", "file")
_PLACEHOLDER = re.compile(r"\{[a-z_][a-z0-9_]*\}")
_Items = TypeVar("_Items", bound="list[Hashable] | tuple[Hashable, ...]")
_Check = Callable[[str], str]


def _shaped(pattern: str, what: str) -> _Check:
    """Return a check that a value has a shape; `what` tells the shape with an example."""
    shape = re.compile(pattern)

    def check(text: str) -> str:
        if not shape.fullmatch(text):
            raise ValueError(f"is {shown(text)}, must be {what}")
        return text

    return check


def check_version(text: str) -> str:
    """Return the text when it is a version of PEP 440.

    Raises:
        ValueError: It is not.
    """
    try:
        Version(text)
    except ValueError as error:
        raise ValueError(f"is {shown(text)}, must be a version such as 2.8.0") from error
    if text != text.strip():
        raise ValueError(f"is {shown(text)}, must be a version without spaces beside it")
    return text


def check_range(text: str) -> str:
    """Return the text when it is a version range; `{placeholders}` count as versions.

    Raises:
        ValueError: It is none.
    """
    try:
        SpecifierSet(_PLACEHOLDER.sub("1", text))
    except ValueError as error:
        raise ValueError(f"is {shown(text)}, must be a version range such as >=2.7,<2.8") from error
    return text


def _version_template(text: str) -> str:
    """Hold a version with `{placeholders}`, which count as numbers, to PEP 440."""
    if text:
        check_version(_PLACEHOLDER.sub("1", text))
    return text


def check_requirement(text: str) -> str:
    """Return the text when it is a PEP 508 requirement.

    Raises:
        ValueError: It is not.
    """
    try:
        Requirement(text)
    except ValueError as error:
        raise ValueError(f"is {shown(text)}, must be a requirement such as numpy>=1.26") from error
    return text


def _requirement_template(text: str) -> str:
    """Hold a requirement with `{placeholders}`, which count as versions, to PEP 508."""
    check_requirement(_PLACEHOLDER.sub("1", text))
    return text


def check_pin(text: str) -> str:
    """Return the requirement when it allows one version alone.

    Raises:
        ValueError: It allows others.
    """
    specifiers = list(Requirement(text).specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or "*" in specifiers[0].version:
        raise ValueError(f"is {shown(text)}, must be an exact pin such as wheel==0.45.1")
    return text


def check_template(text: str, info: ValidationInfo, more: frozenset[str] = frozenset()) -> str:
    """Return the template when every `{field}` in it is known.

    Raises:
        ValueError: A field is unknown or the braces do not match; the text lists the fields.
    """
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise ValueError(f"is no template: {error}") from error
    components = {name.replace("-", "_") for name in _known(info).components}
    known = TEMPLATE_FIELDS | components | more
    if unknown := sorted(names - known):
        fields = ", ".join(sorted(known))
        raise ValueError(f"unknown field {', '.join(map(shown, unknown))}, allowed are {fields}")
    return text


def fields_of_a_name(text: str, known: Collection[str]) -> set[str]:
    """Return the `{fields}` of a file name that is read both ways: filled in, and told apart by.

    Raises:
        ValueError: It has a folder, or a field that is unknown, stands twice or says how it is written.
    """
    try:
        found = [one for one in string.Formatter().parse(text) if one[1] is not None]
    except ValueError as error:
        raise ValueError(f"is no template: {error}") from error
    names = [str(name) for _, name, _, _ in found]
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(
            f"unknown field {', '.join(map(shown, unknown))}, allowed are {', '.join(sorted(known))}"
        )
    if len(set(names)) < len(names) or any(form or conversion for _, _, form, conversion in found):
        raise ValueError(f"is {shown(text)}, where each field must stand once, and as its name alone")
    if "/" in text:
        raise ValueError(f"is {shown(text)}, must be a file name, without a folder")
    return set(names)


def _supply(text: str, info: ValidationInfo) -> str:
    return check_template(text, info, frozenset({"cell", "file"}))


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES or not (parts.netloc or parts.scheme == "file"):
        raise ValueError(f"is {shown(text)}, must be a URL that begins with {'://, '.join(_SCHEMES)}://")
    if not documents.name(unquote(text)):
        raise ValueError(f"is {shown(text)}, which holds a character that no address has, such as NUL (%00)")
    return text


def _of_a_file(text: str) -> str:
    if not documents.file_name(unquote(urlsplit(text).path.rpartition("/")[2])):
        raise ValueError(
            f"is {shown(text)}, must end in the name of a file: by its name it is told what it is"
        )
    return text


def check_inside(text: str) -> str:
    """Return the text when it is a path, or a pattern of one, that stays below its folder.

    Raises:
        ValueError: It is not.
    """
    parts = text.split("/")
    if not text.strip() or text.startswith("/") or ".." in parts or "\\" in text:
        raise ValueError(f"is {shown(text)}, must be a path below its folder: no leading /, no ..")
    return text


def _upload_limit(text: str) -> str:
    try:
        when = datetime.fromisoformat(text) if text else None
    except ValueError:
        when = datetime.min  # noqa: DTZ901 - without a zone, as what is no time
    if when is not None and when.tzinfo is None:
        raise ValueError(f"is {shown(text)}, must be an RFC 3339 time such as 2026-11-08T00:00:00Z")
    return text


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is {shown(text)}, must be a regular expression: {error}") from error
    return text


def _once(items: _Items, same: Callable[[Any], Hashable] = lambda item: item) -> _Items:
    seen: set[Hashable] = set()
    faults: list[Fault] = []
    for place, item in enumerate(items):
        if same(item) in seen:
            faults.append(Fault((place,), f"{shown(item)} stands twice, once is enough", "twice"))
        seen.add(same(item))
    raise_for(faults)
    return items


def _known(info: ValidationInfo) -> Known:
    return info.context if isinstance(info.context, Known) else Known()


def check_component(name: str, info: ValidationInfo) -> str:
    """Return the name when a recipe has it.

    Raises:
        ReferenceFaultError: None has.
    """
    known = _known(info).components
    if known and name not in known:
        near = meant(name, known)
        proposal = f"did you mean {near}? " if near else ""
        names = ", ".join(sorted(known))
        raise ReferenceFaultError(f"no recipe is called {shown(name)}, {proposal}allowed are {names}")
    return name


def _serving(name: str, info: ValidationInfo) -> str:
    if isinstance(info.context, Known) and name not in info.context.serving:
        known = ", ".join(sorted(info.context.serving)) or "none"
        raise ReferenceFaultError(f"no file of recipes/serving is called {shown(name)}, allowed are {known}")
    return name


_CANN, _CANN_MEANT = SHAPES["cann"]
check_cann = _shaped(f"(?i:{_CANN})", _CANN_MEANT)
check_distribution = _shaped(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "a distribution's name such as torch-npu"
)
Once = AfterValidator(partial(_once))
OnceNamed = AfterValidator(partial(_once, same=canonicalize_name))
Text = Annotated[str, AfterValidator(_shaped(r"(?s).*\S.*", "a text that is not empty"))]
Chip = Annotated[str, AfterValidator(_shaped(r"[a-z0-9]*", "a chip in small letters such as a3 or 910b"))]
FileName = Annotated[str, AfterValidator(_shaped(r"[a-z0-9]+([-._][a-z0-9]+)*", "a name such as torch-npu"))]
Distribution = Annotated[str, AfterValidator(check_distribution)]
Cann = Annotated[str, AfterValidator(check_cann)]
CannLine = Annotated[str, AfterValidator(_shaped(r"[5-9]\.\d+", "a CANN line such as 8.5"))]
AscendRelease = Annotated[
    str, AfterValidator(_shaped(r"\d+\.\d+\.\d+", "a release of Ascend/pytorch such as 7.3.0"))
]
Module = Annotated[
    str, AfterValidator(_shaped(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "an import name such as torch_npu"))
]
Library = Annotated[
    str,
    AfterValidator(
        _shaped(r"[^/\s]*\.so[^/\s]*", "a library's file name or a pattern of it such as libatb.so")
    ),
]
FilePattern = Annotated[
    str, AfterValidator(_shaped(r"[^/\s]+", "a file name or a pattern of it, without a folder"))
]
LocalVersion = Annotated[
    str,
    AfterValidator(
        _shaped(r"([A-Za-z0-9]+([._-][A-Za-z0-9]+)*)?", "the local part of a version such as cpu or npu")
    ),
]
_LOCAL = r"(?:[A-Za-z0-9._-]|\{[a-z_][a-z0-9_]*\})*"
LocalTemplate = Annotated[
    str, AfterValidator(_shaped(_LOCAL, "the local part of a version such as {commit8}.{npu}"))
]
Variable = Annotated[str, AfterValidator(_shaped(r"[A-Za-z_]\w*", "a variable's name such as MAX_JOBS"))]
Placeholder = Annotated[
    str, AfterValidator(_shaped(r"[a-z_][a-z0-9_]*", "a placeholder's name in small letters such as soc"))
]
Header = Annotated[str, AfterValidator(_shaped(r"[A-Za-z0-9-]+", "a header's name such as Referer"))]
HeaderValue = Annotated[str, AfterValidator(_shaped(r"[^\r\n]+", "one line that is not empty"))]
VersionText = Annotated[str, AfterValidator(check_version)]
VersionTemplate = Annotated[str, AfterValidator(_version_template)]
Commit = Annotated[
    str,
    AfterValidator(_shaped(r"([0-9a-f]{40})?", "a commit's full id: 40 digits and small letters a to f")),
]
VersionRange = Annotated[str, AfterValidator(check_range)]
RequirementText = Annotated[str, AfterValidator(check_requirement)]
RequirementTemplate = Annotated[str, AfterValidator(_requirement_template)]
Template = Annotated[str, AfterValidator(check_template)]
Url = Annotated[str, AfterValidator(_url)]
SupplyTemplate = Annotated[str, AfterValidator(_supply)]
UrlTemplate = Annotated[str, AfterValidator(_url), AfterValidator(check_template)]
FileUrlTemplate = Annotated[UrlTemplate, AfterValidator(_of_a_file)]
Inside = Annotated[str, AfterValidator(check_inside)]
Sha256 = Annotated[str, AfterValidator(_shaped(r"[0-9a-f]{64}", "64 digits and small letters a to f"))]
UploadLimit = Annotated[str, AfterValidator(_upload_limit)]
Expression = Annotated[str, AfterValidator(_expression)]
Component = Annotated[str, AfterValidator(check_component)]
ServingName = Annotated[str, AfterValidator(_serving)]
