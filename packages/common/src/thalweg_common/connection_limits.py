"""How many connections there are, in all and for each /32 of IPv4 and /64 of IPv6: the caps in C, seen from Python.

One object for everybody who takes connections, so that the cap is one wherever they are served.
"""

from __future__ import annotations

from thalweg_common._core import ffi, lib
from thalweg_common.ownership import owned


class ConnectionLimits:
    """Counts connections. Addresses are 4 or 16 bytes. Any thread."""

    def __init__(self, most: int, most_per_address: int) -> None:
        """0: no limit. MemoryError."""
        self.most = most
        self.cdata = owned(lib.tw_limits_new(most, most_per_address), lib.tw_limits_free)
        """The C object, for other calls of the core. Belongs to this one."""

    @property
    def open(self) -> int:
        """Connections that are counted now."""
        return lib.tw_limits_open(self.cdata)

    def enter(self) -> bool:
        """Counts one more connection; False at the limit, and nothing is counted."""
        return lib.tw_limits_enter(self.cdata)

    def leave(self) -> None:
        """Counts it no longer."""
        lib.tw_limits_leave(self.cdata)

    def enter_address(self, address: bytes) -> bool:
        """Counts one more connection of an address; False at its limit, and nothing is counted."""
        return lib.tw_limits_enter_prefix(self.cdata, _address(address))

    def leave_address(self, address: bytes) -> None:
        """Counts it no longer."""
        lib.tw_limits_leave_prefix(self.cdata, _address(address))


def _address(address: bytes) -> object:
    made = ffi.new("tw_address *")
    made.ip_version = 4 if len(address) == 4 else 6
    made.bytes = address
    return made
