"""Connections as pip would make them: certificates, trusted hosts, proxies and timeouts."""

from __future__ import annotations

import ipaddress
import ssl
from contextlib import suppress
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import InsecureRequestWarning

from ascend_wheelhouse.origins.faults import ProxySettingError, UntrustedHostError, redacted
from ascend_wheelhouse.origins.pip_config import PipConfig, PipConfigError

_CONNECT_SECONDS = 15.0
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def proxy_for(url: str, config: PipConfig) -> str | None:
    """Return the proxy for `url`: pip's own setting, else the environment's, which `NO_PROXY` may exempt.

    Raises:
        ProxySettingError: It has another form than a proxy's.
    """
    if config.proxy:
        return _whole_address(config.proxy, url)
    parts = urlsplit(url)
    proxies = getproxies()
    if proxy_bypass(parts.netloc) or _in_a_network(parts.hostname or "", proxies.get("no", "")):
        return None
    chosen = proxies.get(parts.scheme) or proxies.get("all")
    return _whole_address(chosen, url) if chosen else None


def _whole_address(proxy: str, url: str) -> str:
    """Return a proxy's address with its scheme, which may be left out."""
    address = proxy if "://" in proxy else f"http://{proxy}"
    with suppress(ValueError):  # of a port, or of brackets
        parts = urlsplit(address)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return address
    raise ProxySettingError(url, f"its proxy is set to {redacted(address)}, which is none that can be used")


def _in_a_network(host: str, exempted: str) -> bool:
    """Tell whether a host is an address of a network of `NO_PROXY`, such as 10.0.0.0/8, as pip and uv do."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        for word in exempted.split(","):
            with suppress(ValueError):
                if address in ipaddress.ip_network(word.strip(), strict=False):
                    return True
    return False


def is_trusted(url: str, config: PipConfig) -> bool:
    """Tell whether the user named the URL's host in pip's `trusted-host`."""
    parts = urlsplit(url)
    return not {parts.hostname, parts.netloc.rpartition("@")[2]}.isdisjoint(config.trusted_hosts)


def require_trusted(url: str, config: PipConfig) -> None:
    """Hold what states digests to come by HTTPS, from this host, or from one that the user trusts.

    Raises:
        UntrustedHostError: It does not.
    """
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not is_trusted(url, config):
        raise UntrustedHostError(url, "plain HTTP, and not among pip's trusted hosts")


def new_manager(
    config: PipConfig, *, proxy: str | None, verify: bool, secure: bool, connections: int
) -> urllib3.PoolManager:
    """Return a pool of connections, through `proxy` where one is given; `secure` when HTTPS may be spoken."""
    seconds = config.timeout
    timeout = urllib3.Timeout(connect=min(seconds, _CONNECT_SECONDS), read=seconds)
    context = _tls(config, verify=verify) if secure else None
    if not proxy:
        return urllib3.PoolManager(num_pools=32, maxsize=connections, ssl_context=context, timeout=timeout)
    parts = urlsplit(proxy)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    return urllib3.ProxyManager(
        proxy,
        num_pools=32,
        maxsize=connections,
        ssl_context=context,
        timeout=timeout,
        proxy_headers=urllib3.make_headers(proxy_basic_auth=login) if login else None,
    )


def _tls(config: PipConfig, *, verify: bool) -> ssl.SSLContext:
    try:
        folder = config.cert if config.cert and config.cert.is_dir() else None  # as Debian's /etc/ssl/certs
        context = ssl.create_default_context(cafile=None if folder else config.cert, capath=folder)
        if config.client_cert:
            context.load_cert_chain(config.client_cert)
    except OSError as error:
        files = " or ".join(str(path) for path in (config.cert, config.client_cert) if path)
        raise PipConfigError(
            f"The certificates in {files} cannot be read: {error.strerror or error}.",
            next_step="correct pip's `cert` and `client-cert`: `pip config list` shows them",
        ) from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        urllib3.disable_warnings(InsecureRequestWarning)  # the user asked for it by `trusted-host`
    return context
