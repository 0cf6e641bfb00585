"""Live status for a supervisor: one JSON line a second on a descriptor that it passed (`--status-fd N`).

`thalweg run` starts services as child processes and draws its table from these lines; anything that can read a
pipe may do the same. Every line is complete in itself (wrapped here for reading):

    {"service": "udp", "version": "0.1.0", "ready": true, "uptime_seconds": 12.0,
     "addresses": ["udp://127.0.0.1:3000/announce", "udp://[::1]:3000/announce"],
     "memory_bytes": 17825792,
     "ip_version": {"4": {"requests_total": 1201, "replies_total": 1199, "torrents": 17, "peers": 40, "seeders": 9},
                    "6": {"requests_total": 0, "replies_total": 0, "torrents": 0, "peers": 0, "seeders": 0}}}

* The first line comes as soon as requests are answered, with "ready": true; the last one says "ready": false and
  comes when the service begins to stop. A service that fails to start writes none and exits non-zero.
* Addresses are those of the sockets: a port given as 0 appears as the port it became, a wildcard as 0.0.0.0 or [::].
* Totals count since start; a rate is the difference of two lines over the difference of their uptime_seconds.
  ip_version is the client's family. memory_bytes is the resident size of the process.
* A reader that goes away is no failure: the service stops writing and runs on.
"""

from __future__ import annotations

import os

import msgspec


class FamilyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one address family of clients did and holds."""

    requests_total: int
    replies_total: int
    torrents: int
    peers: int
    seeders: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One line; the fields are described above."""

    service: str
    version: str
    ready: bool
    uptime_seconds: float
    addresses: list[str]
    memory_bytes: int
    ip_version: dict[str, FamilyStatus]


class StatusWriter:
    """Writes status lines to a descriptor it owns from now on. Never waits: a line that does not fit is left out."""

    def __init__(self, descriptor: int) -> None:
        """Takes the descriptor over, -1 for none; OSError when it is not open."""
        if descriptor >= 0:
            os.set_blocking(descriptor, False)
            os.set_inheritable(descriptor, False)
        self._descriptor = descriptor

    @property
    def is_open(self) -> bool:
        """Whether anybody may be reading."""
        return self._descriptor >= 0

    def write(self, status: Status) -> None:
        """Writes one line. Pipes take up to 4096 bytes whole or not at all, so lines are never torn."""
        if self._descriptor < 0:
            return
        try:
            os.write(self._descriptor, msgspec.json.encode(status) + b"\n")
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def close(self) -> None:
        """Closes the descriptor; later lines go nowhere."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def parse_status(line: bytes) -> Status:
    """The status in one line, for readers; msgspec.DecodeError when it is not one."""
    return msgspec.json.decode(line, type=Status)
