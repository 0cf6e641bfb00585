"""Trackers as real processes on a host, and what they say about a torrent."""

import socket
import sys
from typing import Self

from thalweg_common import http_wire, udp_wire

from tests.interop.network import Host
from tests.interop.programs import Program, Programs

PORT = 6969

CONFIGURATION = f"""\
[network]
address_ipv4 = "0.0.0.0:{PORT}"
address_ipv6 = "[::]:{PORT}"
"""


def announce_url(host: Host, ip_version: int, scheme: str = "udp", port: int = PORT) -> str:
    """Give the announce URL of a tracker on `host`."""
    return f"{scheme}://{in_url(host.address(ip_version))}:{port}/announce"


def in_url(address: str) -> str:
    """Write an address as URLs do."""
    return f"[{address}]" if ":" in address else address


def start_thalweg_udp(programs: Programs, host: Host) -> Program:
    """Start `thalweg-udp` bound to the wildcard of both families."""
    return start_thalweg(programs, host, "udp")


def start_thalweg(programs: Programs, host: Host, service: str, more: str = "") -> Program:
    """Start one of our services ("udp", "http", "ws") bound to both families' wildcards; `more`: further options."""
    configuration = programs.folder / f"thalweg-{service}.toml"
    configuration.write_text(CONFIGURATION + more)
    command = [sys.executable, "-m", f"thalweg_{service}.main", "-c", str(configuration)]
    return programs.start(f"thalweg-{service}", host, command)


def start_opentracker(programs: Programs, host: Host, info_hashes: list[bytes]) -> Program:
    """Start Debian's opentracker, which serves IPv4 only and the torrents it is given."""
    (programs.folder / "whitelist").write_text("".join(f"{info_hash.hex()}\n" for info_hash in info_hashes))
    address, port = host.address(4), str(PORT)
    options = ["-i", address, "-p", port, "-P", port, "-d", str(programs.folder), "-w", "whitelist"]
    # As root it wants to become somebody else, whom a user namespace does not have: so it never sees itself as root.
    not_root = ["unshare", "--user", "--map-user=1000"]
    return programs.start("opentracker", host, [*not_root, "opentracker", *options])


class TrackerView:
    """What a tracker answers to connect and scrape, asked from `host` over UDP."""

    def __init__(self, host: Host, tracker: str, ip_version: int) -> None:
        """Open a socket on `host` towards the address `tracker`."""
        family = socket.AF_INET if ip_version == 4 else socket.AF_INET6
        self.socket = host.socket(family, socket.SOCK_DGRAM)
        self.socket.settimeout(0.5)
        self.socket.connect((tracker, PORT))

    def __enter__(self) -> Self:
        """Give the view itself; leaving closes its socket."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the socket."""
        self.socket.close()

    def ready(self) -> bool:
        """Say whether the tracker answers."""
        try:
            return bool(self.connect())
        except (TimeoutError, ConnectionRefusedError):
            return False

    def connect(self) -> bytes:
        """Get a connection id."""
        self.socket.send(udp_wire.build_connect(1))
        return udp_wire.parse_connect(self.socket.recv(2048), 1)

    def scrape(self, info_hash: bytes) -> udp_wire.ScrapeRow:
        """Get the counts of one torrent."""
        self.socket.send(udp_wire.build_scrape(self.connect(), 2, [info_hash]))
        return udp_wire.parse_scrape(self.socket.recv(2048), 2)[0]


class HttpTrackerView:
    """What a tracker answers to scrapes over HTTP, asked from `host`, on a connection for each."""

    def __init__(self, host: Host, tracker: str, ip_version: int, port: int = PORT) -> None:
        """Remember whom to ask."""
        self.host, self.tracker = host, (tracker, port)
        self.family = socket.AF_INET if ip_version == 4 else socket.AF_INET6

    def __enter__(self) -> Self:
        """Give the view itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is open."""

    def ready(self) -> bool:
        """Say whether the tracker answers."""
        try:
            return b"healthy" in self.get("/health")
        except (TimeoutError, ConnectionRefusedError):
            return False

    def scrape(self, info_hash: bytes) -> udp_wire.ScrapeRow:
        """Get the counts of one torrent."""
        reply = self.get(http_wire.scrape_target("/scrape", [info_hash]))
        return http_wire.parse_scrape(reply.partition(b"\r\n\r\n")[2])[info_hash]

    def get(self, target: str) -> bytes:
        """Get a whole reply."""
        with self.host.socket(self.family, socket.SOCK_STREAM) as connection:
            connection.settimeout(0.5)
            connection.connect(self.tracker)
            connection.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
            reply = b""
            while data := connection.recv(4096):
                reply += data
            return reply
