"""The ways by which clients reach a tracker: what is started on which host, and the announce URL that leads there.

Behind a proxy, which is a host of its own, peers find one another only if the tracker learns whom the proxy speaks for.
"""

from __future__ import annotations

from collections.abc import Callable

from packages.http.tests.certificates import make_authority, make_signed_certificate
from packages.http.tests.real_proxies import haproxy, nginx
from tests.interop.network import Host
from tests.interop.programs import Programs
from tests.interop.trackers import PORT, announce_url, in_url, start_thalweg

SECURE_PORT = 443
TLS = f"""\
tls_addresses = ["0.0.0.0:{SECURE_PORT}", "[::]:{SECURE_PORT}"]
tls_certificate_path = "tracker.pem"
tls_private_key_path = "tracker-key.pem"
"""
WEBTORRENT = """\
[cleaning]
ping_interval = 1
[metrics]
run_prometheus_endpoint = true
"""
"""HAProxy closes what is silent for 5 seconds, and pages mostly are: pings keep their WebSockets open. The
metrics tell of which family the tracker takes its clients to be."""

Way = Callable[[Programs, dict[str, Host], int], str]
"""Starts the tracker and what stands in front of it; gives the announce URL for clients of that IP version."""


def over_udp(programs: Programs, hosts: dict[str, Host], ip_version: int) -> str:
    """To thalweg-udp itself."""
    start_thalweg(programs, hosts["tracker"], "udp")
    return announce_url(hosts["tracker"], ip_version)


def over_http(programs: Programs, hosts: dict[str, Host], ip_version: int) -> str:
    """To thalweg-http itself."""
    start_thalweg(programs, hosts["tracker"], "http")
    return announce_url(hosts["tracker"], ip_version, "http")


def over_https(programs: Programs, hosts: dict[str, Host], ip_version: int) -> str:
    """To thalweg-http itself, which opens the TLS."""
    return secure(programs, hosts["tracker"], ip_version)


def over_ws(programs: Programs, hosts: dict[str, Host], ip_version: int) -> str:
    """To thalweg-ws itself."""
    start_thalweg(programs, hosts["tracker"], "ws", WEBTORRENT)
    return announce_url(hosts["tracker"], ip_version, "ws")


def over_wss(programs: Programs, hosts: dict[str, Host], ip_version: int) -> str:
    """To thalweg-ws itself, which opens the TLS."""
    return secure(programs, hosts["tracker"], ip_version, WEBTORRENT, service="ws")


def secure(programs: Programs, tracker: Host, ip_version: int, more: str = "", service: str = "http") -> str:
    """Start a service with TLS and further options; give its announce URL."""
    certify(programs, tracker)
    start_thalweg(programs, tracker, service, TLS + more)
    return announce_url(tracker, ip_version, f"{service}s", SECURE_PORT)


def through_haproxy(
    programs: Programs, hosts: dict[str, Host], ip_version: int, more: str = "", service: str = "http"
) -> str:
    """To HAProxy, which opens the TLS and names the client in version 2 of the PROXY protocol."""
    proxy, tracker = hosts["proxy"], hosts["tracker"]
    certify(programs, proxy)
    binds = [f"{proxy.address(version)}:{SECURE_PORT} ssl crt tracker-both.pem" for version in (4, 6)]
    programs.start("haproxy", proxy, haproxy(programs.folder, binds, f"{tracker.address(4)}:{PORT}"))
    start_thalweg(programs, tracker, service, trusting(proxy) + "proxy_protocol = true\n" + more)
    return announce_url(proxy, ip_version, f"{service}s", SECURE_PORT)


def wss_through_haproxy(programs: Programs, hosts: dict[str, Host], ip_version: int) -> str:
    """To HAProxy, which opens the TLS, passes on bytes and names the client in the PROXY protocol."""
    return through_haproxy(programs, hosts, ip_version, WEBTORRENT, service="ws")


def ws_through_haproxy(programs: Programs, hosts: dict[str, Host], ip_version: int) -> str:
    """To HAProxy, which reads the request for the WebSocket, and names the client in X-Forwarded-For."""
    proxy, tracker = hosts["proxy"], hosts["tracker"]
    binds = [f"{proxy.address(version)}:{PORT}" for version in (4, 6)]
    http = {"mode": "http", "forwarded": "option forwardfor", "send": ""}
    programs.start("haproxy", proxy, haproxy(programs.folder, binds, f"{tracker.address(4)}:{PORT}", **http))
    start_thalweg(programs, tracker, "ws", trusting(proxy) + "runs_behind_reverse_proxy = true\n" + WEBTORRENT)
    return announce_url(proxy, ip_version, "ws")


def through_nginx(programs: Programs, hosts: dict[str, Host], ip_version: int) -> str:
    """To nginx, which opens the TLS and names the client in X-Forwarded-For."""
    proxy, tracker = hosts["proxy"], hosts["tracker"]
    certify(programs, proxy)
    certificate = "ssl_certificate tracker-both.pem; ssl_certificate_key tracker-both.pem;"
    listens = [f"{in_url(proxy.address(version))}:{SECURE_PORT} ssl" for version in (4, 6)]
    command = nginx(programs.folder, listens, f"{tracker.address(4)}:{PORT}", certificate=certificate)
    programs.start("nginx", proxy, command)
    start_thalweg(programs, tracker, "http", trusting(proxy) + "runs_behind_reverse_proxy = true\n")
    return announce_url(proxy, ip_version, "https", SECURE_PORT)


def certify(programs: Programs, host: Host) -> None:
    """Make a certificate for the host's addresses, and the authority that signs it."""
    make_authority(programs.folder)
    make_signed_certificate(programs.folder, [host.address(4), host.address(6)])


def trusting(proxy: Host) -> str:
    """Give the option that lets this host, whose connections are IPv4, name clients."""
    return f'trusted_proxies = ["{proxy.address(4)}"]\n'
