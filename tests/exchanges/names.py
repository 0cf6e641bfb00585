"""What the names in the exchange documents mean: connection ids, endpoints and peer lists."""

import re

from .document import DocumentError, Endpoint, Peers
from .tracker import OTHER_SECRET, Tracker, connection_id, new_rules

IDS = {"id": 0, "id of the previous epoch": 1, "id two epochs old": 2, "id three epochs old": 3}
ID_OF = re.compile(r"^id of (\S+)$")
ANY = re.compile(r"^(\d+) bytes$")
PEER_LIST = re.compile(r"^(\d+) (peers|leechers|seeders|partial seeds)$")


class PeerNames:
    """The names of one request and its reply: endpoints and peer lists."""

    def __init__(self, sender: Endpoint, stored: list[tuple[Peers, list[bytes]]]) -> None:
        """Know the setup's peers as they were stored."""
        self.sender, self.stored = sender, stored

    def value(self, name: str) -> bytes:
        """Give the compact form of an endpoint."""
        try:
            return Endpoint.parse(name).compact
        except ValueError:
            raise DocumentError(f"no such name: {{{name}}}") from None

    def take(self, name: str, rest: bytes) -> int:
        """Check a name's bytes at the beginning of the rest of a reply; give their number."""
        if match := ANY.match(name):
            assert len(rest) >= int(match[1]), "the reply ends too early"
            return int(match[1])
        match = PEER_LIST.match(name)
        if match is None:
            expected = self.value(name)
            assert rest[: len(expected)] == expected, f"{{{name}}} is {expected.hex()}, found {rest[:18].hex()}"
            return len(expected)
        stride = 6 if self.sender.address.version == 4 else 18
        size = int(match[1]) * stride
        peers = [rest[at : at + stride] for at in range(0, len(rest[:size]), stride)]
        allowed = self.peers_of(match[2])
        assert len(rest) >= size, f"too few peers: {rest.hex()}"
        assert len(set(peers)) == len(peers), f"a peer comes twice: {rest.hex()}"
        assert set(peers) <= allowed, f"not among the {match[2]}: {[p.hex() for p in set(peers) - allowed]}"
        return size

    def peers_of(self, kind: str) -> set[bytes]:
        """Give the setup's peers of a kind ("peers": all of them)."""
        return {peer for peers, found in self.stored for peer in found if kind in ("peers", f"{peers.state}s")}


class ExchangeNames(PeerNames):
    """Connection ids as well, as UDP has them."""

    def __init__(self, tracker: Tracker, sender: Endpoint, stored: list[tuple[Peers, list[bytes]]]) -> None:
        """Ids are those that this tracker gives."""
        super().__init__(sender, stored)
        self.tracker = tracker

    def value(self, name: str) -> bytes:
        """Give an id, or the compact form of an endpoint."""
        if name in IDS:
            return self.tracker.connection_id(self.sender, IDS[name])
        if match := ID_OF.match(name):
            return self.tracker.connection_id(Endpoint.parse(f"{match[1]}:0"))
        if name == "id of another tracker":
            return connection_id(new_rules({}, OTHER_SECRET), self.sender, self.tracker.epoch)
        return super().value(name)
