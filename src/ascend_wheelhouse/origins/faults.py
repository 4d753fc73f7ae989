"""What can go wrong between this host and an origin: one class a fault, and whether trying again may help."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

from ascend_wheelhouse.base.errors import IntegrityError, SourceUnreachableError

_AGAIN = "run the same command again; what was fetched is kept"


def redacted(url: str) -> str:
    """Return the URL without user name, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:  # what is no URL may hold a password all the same
        return url.rpartition("@")[2].partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class OriginError(SourceUnreachableError):
    """An origin did not give what was asked for."""

    transient: ClassVar[bool] = False
    retries: ClassVar[int] = 100
    reason: ClassVar[str] = ""
    advice: ClassVar[str] = _AGAIN

    def __init__(self, url: str, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{redacted(url)}: {detail}", why=self.reason, next_step=self.advice)
        self.url = url
        self.retry_after = retry_after


class NotFoundError(OriginError):
    """The origin does not have the file (404, 410, or no such local file)."""

    reason = "The origin no longer offers the file, or the URL is wrong."
    advice = "check the address, or set a mirror in mirrors.toml"


class AccessDeniedError(OriginError):
    """The origin asks for credentials, or refuses those it got (401, 403, 407)."""

    reason = "The credentials are missing or wrong."
    advice = "put them in ~/.netrc, in the keyring, or in pip's index URL"


class RefusedError(OriginError):
    """The origin refused the request for good (another 4xx, 501)."""

    reason = "The origin understood the request and will not serve it."
    advice = "check the address with the origin's operator"


class RangeRefusedError(OriginError):
    """The origin has nothing at the offset asked for (416): the file there is shorter than what is here."""

    reason = "The file at the origin is another one than before."


class TooManyRequestsError(OriginError):
    """The origin asked to slow down (429) more often than we are willing to wait."""

    transient = True
    reason = "The origin limits how often it may be asked."
    advice = "wait a few minutes and run the same command again"


class ServerFailedError(OriginError):
    """The origin failed (5xx) on every try."""

    transient = True
    reason = "The origin, or a proxy before it, is out of order."


class ConnectionBrokenError(OriginError):
    """The connection broke, or ended before the whole file had come, on every try."""

    transient = True
    reason = "The network, or a proxy that drops connections, is at fault."


class StalledError(OriginError):
    """The origin sent nothing for longer than pip's `timeout`."""

    transient = True
    reason = "The origin or the network is overloaded."
    advice = "run the same command again, or raise pip's `timeout`"


class UnreachableHostError(OriginError):
    """The host has no address, or nothing answers there."""

    transient = True
    retries = 2
    reason = "The name does not resolve here, the host is down, or a firewall is in between."
    advice = "check the network and pip's index and proxy settings, or set a mirror in mirrors.toml"


class UnknownHostError(UnreachableHostError):
    """The name server says that there is no such name: asking it again gives the same answer."""

    transient = False


class ProxyFailedError(OriginError):
    """The proxy could not be used."""

    transient = True
    reason = "The proxy is down, or wants credentials."
    advice = "check HTTPS_PROXY, NO_PROXY and pip's `proxy`"


class ProxySettingError(ProxyFailedError):
    """What is set as a proxy is none that can be spoken to here."""

    transient = False
    reason = "A proxy has the form http://HOST:PORT or https://HOST:PORT; one of SOCKS is not spoken to."
    advice = "set pip's `proxy`, or HTTPS_PROXY and HTTP_PROXY, to that form, or name the host in NO_PROXY"


class CertificateError(OriginError):
    """The origin's certificate is not trusted here."""

    reason = "A company proxy or mirror signs with its own authority, or this host's clock is wrong."
    advice = "pip config set global.cert /path/to/bundle.pem"


class RedirectError(OriginError):
    """A redirect leads nowhere, in a circle, or to another kind of URL."""

    reason = "The origin or a proxy before it is set up wrongly."
    advice = "check the address with the origin's operator, or set a mirror in mirrors.toml"


class InsecureRedirectError(RedirectError):
    """A redirect leads from HTTPS to plain HTTP."""

    reason = "What comes by plain HTTP can be changed on the way, and a login there can be read."
    advice = "give the https:// address in mirrors.toml, or pip config set global.trusted-host HOST"


class HtmlInsteadOfFileError(OriginError):
    """An HTML page came with status 200 where a file was expected."""

    reason = "A login page, a captive portal or a proxy answered in place of the origin."
    advice = "open the address in a browser on this network, then run the same command again"


class PageTooLargeError(OriginError):
    """A page of an index, or another answer that is read whole, is longer than any honest one."""

    reason = "It would fill this host's memory: the origin is damaged, or means harm."
    advice = "check the address with the origin's operator, or set a mirror in mirrors.toml"


class UntrustedHostError(OriginError):
    """An index, or a page of find-links, is neither HTTPS nor on this host, nor listed as trusted."""

    reason = "What it says about hashes could be changed on the way."
    advice = "use https://, or pip config set global.trusted-host HOST"


class UnreadableFolderError(OriginError):
    """A folder of find-links cannot be listed."""

    reason = "It belongs to another user, or its disk is away."
    advice = "have its owner let you read it, or take it out of `find-links`, which `pip config debug` shows"


class UnknownSchemeError(OriginError):
    """The URL is of a kind that cannot be fetched here."""

    reason = "Only https, http and file URLs are fetched."
    advice = "correct the URL in the recipe or in mirrors.toml"


class HashMismatchError(IntegrityError):
    """The bytes have another sha256 than was promised."""

    def __init__(self, filename: str, *, expected: str, found: str, url: str) -> None:
        super().__init__(
            f"{filename}: sha256 is {found}, expected {expected} (from {redacted(url)}).",
            why="The file was replaced at the origin, or a proxy changed it on the way; nothing was kept.",
            next_step="run it again; if it repeats, see what changed by `invoke lock --upgrade {cell}`",
        )


class SizeMismatchError(IntegrityError):
    """The origin offers a file of another size than was promised."""

    def __init__(self, filename: str, *, expected: int, found: int, url: str) -> None:
        super().__init__(
            f"{filename}: {found} bytes, expected {expected} (from {redacted(url)}).",
            why="The file was replaced or cut short at the origin; nothing was kept.",
            next_step="run it again; if it repeats, see what changed by `invoke lock --upgrade {cell}`",
        )
