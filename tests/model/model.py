"""A slow, obvious swarm made of dictionaries: what the C core must agree with.

Time is in whole seconds here, because the core keeps peer times in units of ceil(max_peer_age / 2000) seconds; with
ages of at most 2000 seconds that unit is one second, and tests move the clock by whole seconds only.

Between the moment a peer is due to expire and the sweep that removes it, the core may still count it (it must not hand
it out any more). The model keeps such peers as overdue and gives counts as bounds; without overdue peers the bounds
meet. The same holds for the downloads of a torrent that a sweep may have removed.
"""

import enum
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

INFO_HASH_SIZE = 20
COMPLETED, STOPPED, PAUSED = 1, 3, 4

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOCAL_NETWORKS: list[Network] = [
    *map(ipaddress.IPv4Network, ["127.0.0.0/8", "169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    *map(ipaddress.IPv4Network, ["100.64.0.0/10", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]),
    *map(ipaddress.IPv4Network, ["224.0.0.0/4", "0.0.0.0/32"]),
    *map(ipaddress.IPv6Network, ["::1/128", "fe80::/10", "fc00::/7", "2001:db8::/32", "ff00::/8", "::/128"]),
]  # loopback, link-local, private, shared, documentation, multicast, unspecified


class State(enum.Enum):
    """What a peer does: BEP 3's two states and BEP 21's third."""

    SEEDER = "seeder"
    LEECHER = "leecher"
    PARTIAL_SEED = "partial seed"


@dataclass
class Peer:
    """One stored peer. The two flags differ when it is not known whether a sweep came before its last announce."""

    seen: int
    state: State
    surely_completed: bool = False
    possibly_completed: bool = False


@dataclass
class Torrent:
    """The peers of one info hash and address family, by address and port."""

    peers: dict[bytes, Peer] = field(default_factory=dict)
    downloads_low: int = 0
    downloads_high: int = 0


@dataclass(frozen=True)
class Bounds:
    """Lowest and highest (seeders, leechers, partial seeds, downloads) that are right."""

    low: tuple[int, int, int, int]
    high: tuple[int, int, int, int]

    def hold(self, counts: tuple[int, int, int, int]) -> bool:
        """Tell whether every count lies within its bounds."""
        return all(low <= count <= high for low, count, high in zip(self.low, counts, self.high, strict=True))


NOTHING = Bounds((0, 0, 0, 0), (0, 0, 0, 0))


def is_local(peer: bytes) -> bool:
    """Tell whether a peer's address is one that global peers are not told of."""
    address = ipaddress.ip_address(peer[:-2])
    return any(address in network for network in LOCAL_NETWORKS if network.version == address.version)


def state_of(event: int, left_nothing: bool) -> State:
    """Give the state that an announce puts its peer in."""
    if left_nothing or event == COMPLETED:
        return State.SEEDER
    return State.PARTIAL_SEED if event == PAUSED else State.LEECHER


class Model:
    """All torrents of one address family."""

    def __init__(self, max_peer_age: int, filter_addresses: bool) -> None:
        """Make an empty swarm; `max_peer_age` in seconds."""
        self.max_peer_age = max_peer_age
        self.filter_addresses = filter_addresses
        self.torrents: dict[bytes, Torrent] = {}

    def announce(self, info_hash: bytes, peer: bytes, event: int, left_nothing: bool, now: int) -> None:
        """Store, refresh or remove a peer; see `eligible` for whom it may be told of."""
        if event == STOPPED:
            if info_hash in self.torrents:
                self.torrents[info_hash].peers.pop(peer, None)
            return
        if peer[-2:] == b"\0\0":
            return
        torrent = self.torrents.setdefault(info_hash, Torrent())
        stored = torrent.peers.setdefault(peer, Peer(now, State.LEECHER))
        stored.surely_completed = stored.surely_completed and not self.is_overdue(stored, now)
        stored.seen, stored.state = now, state_of(event, left_nothing)
        if event == COMPLETED:
            torrent.downloads_low += not stored.possibly_completed
            torrent.downloads_high += not stored.surely_completed
            stored.surely_completed = stored.possibly_completed = True

    def eligible(self, info_hash: bytes, peer: bytes, event: int, left_nothing: bool, now: int) -> set[bytes]:
        """Give the peers that the reply to this announce is drawn from."""
        if event == STOPPED or info_hash not in self.torrents:
            return set()
        downloads = state_of(event, left_nothing) is State.LEECHER
        sees_local = not self.filter_addresses or is_local(peer)
        return {
            other
            for other, stored in self.torrents[info_hash].peers.items()
            if other != peer
            and (downloads or stored.state is State.LEECHER)
            and (sees_local or not is_local(other))
            and not self.is_overdue(stored, now)
        }

    def counts(self, info_hash: bytes, now: int) -> Bounds:
        """Give what a scrape may say."""
        if info_hash not in self.torrents:
            return NOTHING
        torrent = self.torrents[info_hash]
        low = self._tally(peer for peer in torrent.peers.values() if not self.is_overdue(peer, now))
        high = self._tally(torrent.peers.values())
        return Bounds((*low, torrent.downloads_low), (*high, torrent.downloads_high))

    def is_overdue(self, peer: Peer, now: int) -> bool:
        """Tell whether a peer has not announced for longer than max_peer_age."""
        return now - peer.seen > self.max_peer_age

    def may_have_swept(self, now: int) -> None:
        """Note that a part of the swarm was swept: a torrent without live peers may have been removed."""
        for torrent in self.torrents.values():
            if all(self.is_overdue(peer, now) for peer in torrent.peers.values()):
                torrent.downloads_low = 0

    def expire_all(self, now: int) -> None:
        """Remove every overdue peer, then every torrent without peers."""
        for info_hash, torrent in list(self.torrents.items()):
            torrent.peers = {key: peer for key, peer in torrent.peers.items() if not self.is_overdue(peer, now)}
            if not torrent.peers:
                del self.torrents[info_hash]

    def keep_only(self, allowed: Iterable[bytes]) -> None:
        """Remove every torrent that an access list does not allow."""
        kept = set(allowed)
        self.torrents = {key: torrent for key, torrent in self.torrents.items() if key in kept}

    @staticmethod
    def _tally(peers: Iterable[Peer]) -> tuple[int, int, int]:
        states = [peer.state for peer in peers]
        seeders, partial_seeds = states.count(State.SEEDER), states.count(State.PARTIAL_SEED)
        return seeders, len(states) - seeders, partial_seeds
