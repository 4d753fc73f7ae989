"""What an origin's answer means: its header fields, and the fault behind a status or a broken connection."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from ascend_wheelhouse.origins import faults

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")
_NUMBER = re.compile(r"[0-9]{1,18}")
_CHEAP_TO_DRAIN = 1 << 16
_PIECE = 1 << 20
_LONGEST_PAGE = 1 << 28
"""Bytes, unpacked: the index's longest pages have a tenth of it."""
_NO_NAME = {socket.EAI_NONAME, socket.EAI_NODATA}


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole answer held in memory: where it came from in the end, its type and its bytes."""

    url: str
    content_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the origin says of a file before sending it.

    Args:
        url: Where the file is after all redirects.
        start: The offset of the first byte that will come.
        partial: Whether the origin serves the range that was asked for.
        size: The whole file's size in bytes, None when the origin does not say.
        validator: Its strong ETag or its Last-Modified date, for `If-Range`; empty when there is none.
        content_type: The media type, lower case, without parameters.
    """

    url: str
    start: int
    partial: bool
    size: int | None
    validator: str
    content_type: str


def release(response: urllib3.BaseHTTPResponse) -> None:
    """Keep the connection where the body has been read to its end or is short; close it otherwise."""
    left = getattr(response, "length_remaining", None)
    if left is not None and left <= _CHEAP_TO_DRAIN:
        with suppress(HTTPError, OSError):
            response.drain_conn()
        response.release_conn()
    else:
        response.close()


def head_of(url: str, response: urllib3.BaseHTTPResponse) -> Head:
    """Read an answer's header fields."""
    headers = response.headers
    etag = headers.get("ETag", "")
    length = headers.get("Content-Length", "")
    start, size = 0, int(length) if _NUMBER.fullmatch(length) else None
    part = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if response.status == 206 and part:  # noqa: PLR2004 - HTTP's own number
        start, size = int(part[1]), None if part[2] == "*" else int(part[2])
    return Head(
        url=url,
        start=start,
        partial=response.status == 206,  # noqa: PLR2004 - HTTP's own number
        size=size,
        validator=etag if etag.startswith('"') else headers.get("Last-Modified", ""),
        content_type=headers.get("Content-Type", "").partition(";")[0].strip().lower(),
    )


def raise_for_status(url: str, response: urllib3.BaseHTTPResponse, *, now: float) -> None:
    """Raise the fault that an answer's status stands for, if any; the answer is released."""
    if response.status in {200, 206}:
        return
    release(response)
    detail = f"status {response.status} {response.reason or ''}".strip()
    kinds: dict[int, type[faults.OriginError]] = {
        401: faults.AccessDeniedError,
        403: faults.AccessDeniedError,
        404: faults.NotFoundError,
        407: faults.AccessDeniedError,
        408: faults.StalledError,
        410: faults.NotFoundError,
        416: faults.RangeRefusedError,
        429: faults.TooManyRequestsError,
        501: faults.RefusedError,  # no server learns a method while it is waited for
    }
    general = faults.RefusedError if response.status < 500 else faults.ServerFailedError  # noqa: PLR2004 - HTTP's
    kind = kinds.get(response.status, general)
    raise kind(url, detail, retry_after=_retry_after(response.headers.get("Retry-After", ""), now))


def _retry_after(value: str, now: float) -> float | None:
    if _NUMBER.fullmatch(value.strip()):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def fault_of(url: str, error: Exception) -> faults.OriginError:
    """Return the fault that an error of urllib3 or the operating system stands for."""
    if isinstance(error, SSLError) and not _is_verification(error):
        return faults.ConnectionBrokenError(url, str(error))
    if isinstance(error, NameResolutionError) and _is_no_name(error):
        return faults.UnknownHostError(url, str(error))
    kinds: tuple[tuple[type[Exception], type[faults.OriginError]], ...] = (
        (ProxyError, faults.ProxyFailedError),
        (SSLError, faults.CertificateError),
        (ConnectTimeoutError, faults.UnreachableHostError),
        (ReadTimeoutError, faults.StalledError),
        (TimeoutError, faults.StalledError),
        (NewConnectionError, faults.UnreachableHostError),
        (LocationParseError, faults.RedirectError),
    )
    kind = next((fault for known, fault in kinds if isinstance(error, known)), faults.ConnectionBrokenError)
    return kind(url, str(error) or type(error).__name__)


def whole(url: str, response: urllib3.BaseHTTPResponse) -> bytes:
    """Return the content of an answer, unpacked.

    Raises:
        PageTooLargeError: There is more of it than a page can have; a packed one may unfold to any size.
        HTTPError: The connection broke.
    """
    content = bytearray()
    for piece in response.stream(_PIECE, decode_content=True):
        content += piece
        if len(content) > _LONGEST_PAGE:
            raise faults.PageTooLargeError(url, f"the answer has more than {_LONGEST_PAGE >> 20} MiB")
    return bytes(content)


def _is_verification(error: SSLError) -> bool:
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in (*error.args, error.__cause__))


def _is_no_name(error: NameResolutionError) -> bool:
    """Tell whether the name server answered that there is none, where a name server that is away gives `EAI_AGAIN`."""
    return isinstance(error.__cause__, socket.gaierror) and error.__cause__.errno in _NO_NAME
