"""The tracker as the exchanges see it: the C core's pure answer, with a clock and secrets that stand still."""

import hashlib
from typing import TYPE_CHECKING

from thalweg_common._core import ffi, lib

from .document import Endpoint, Exchange, Peers

if TYPE_CHECKING:
    from thalweg_common._core import CData

NOW_MS = 1_000_000
EPOCH = 1000
SECRET = hashlib.sha256(b"the secret of the exchanges").digest()[:16]
OTHER_SECRET = hashlib.sha256(b"the secret of another tracker").digest()[:16]
RULES = {
    "interval": 1800,
    "interval_jitter": 0,
    "default_peers": 50,
    "max_peers": 202,
    "max_scrape": 102,
    "epochs_accepted": 1,
}
EVENTS = {"download": lib.TW_EVENT_COMPLETED, "partial seed": lib.TW_EVENT_PAUSED}
MAX_PEER_AGE = 1800


class Tracker:
    """A swarm, rules, access list and counters: everything that tw_udp_answer borrows."""

    def __init__(self, settings: dict[str, str] | None = None, secret: bytes = SECRET, epoch: int = EPOCH) -> None:
        """Make an empty tracker with the settings of an exchange."""
        settings = settings or {}
        self.swarm = new_swarm(settings.get("filter_addresses", "true") == "true")
        self.sampler = ffi.gc(lib.tw_sampler_new(bytes(32)), lib.tw_sampler_free)
        self.rules = new_rules(settings, secret)
        self.access_list = new_access_list(settings)
        self.counters = ffi.new("tw_udp_counters *")
        self.clients = ffi.new("tw_client_table *")
        self.epoch, self.now_ms = epoch, NOW_MS
        self._reply = ffi.new("uint8_t[]", lib.TW_UDP_REPLY_MAX + 2)

    def answer(self, sender: Endpoint, request: bytes) -> bytes:
        """Give the reply to one datagram, empty for silence."""
        context = {
            "swarm": self.swarm,
            "sampler": self.sampler,
            "access_list": self.access_list,
            "rules": self.rules,
            "counters": self.counters,
            "clients": self.clients,
            "now_ms": self.now_ms,
            "epoch": self.epoch,
        }
        size = lib.tw_udp_answer(
            ffi.new("tw_udp_context *", context), new_sender(sender), request, len(request), self._reply
        )
        return bytes(ffi.buffer(self._reply, size))

    def connection_id(self, endpoint: Endpoint, epochs_ago: int = 0) -> bytes:
        """Give the id that this tracker gave to an address, so many epochs ago."""
        return connection_id(self.rules, endpoint, self.epoch - epochs_ago)

    def store(self, peers: Peers, now_ms: int | None = None) -> list[bytes]:
        """Put peers into the swarm; give their compact forms."""
        announce, counts, room = ffi.new("tw_announce *"), ffi.new("tw_counts *"), ffi.new("uint8_t[]", 2)
        stored = [peers.first.after(step).compact for step in range(peers.count)]
        for peer in stored:
            ffi.memmove(announce.info_hash, peers.torrent, 20)
            ffi.memmove(announce.peer, peer, len(peer))
            announce.ip_version = peers.first.address.version
            announce.event = EVENTS.get(peers.state, lib.TW_EVENT_NONE)
            announce.left_nothing = peers.state in ("seeder", "download")
            moment = self.now_ms if now_ms is None else now_ms
            lib.tw_swarm_announce(self.swarm, self.sampler, announce, moment, counts, room)
        return stored

    def dropped(self) -> list[int]:
        """Give the silent datagrams of both families by reason."""
        return [self.counters.dropped[0][reason] + self.counters.dropped[1][reason] for reason in range(6)]

    def sums(self, name: str) -> list[int]:
        """Give one of the counters by kind, both families together."""
        table = getattr(self.counters, name)
        return [table[0][kind] + table[1][kind] for kind in range(len(table[0]))]


def connection_id(rules: "CData", endpoint: Endpoint, epoch: int) -> bytes:
    """Give the id of an address under some rules in some epoch."""
    buffer = ffi.new("uint8_t[8]")
    lib.tw_udp_connection_id(rules, new_sender(endpoint), epoch, buffer)
    return bytes(buffer)


def new_sender(endpoint: Endpoint) -> "CData":
    """Make a tw_sender."""
    sender = ffi.new("tw_sender *", {"ip_version": endpoint.address.version, "port": endpoint.port})
    ffi.memmove(sender.address, endpoint.address.packed, len(endpoint.address.packed))
    return sender


def new_swarm(filter_addresses: bool) -> "CData":
    """Make a small swarm that frees itself."""
    options = {
        "max_peer_age": MAX_PEER_AGE,
        "clean_interval": MAX_PEER_AGE,
        "max_peers_per_torrent": 100_000,
        "max_bytes": 1 << 24,
        "filter_addresses": filter_addresses,
        "seed": bytes(16),
    }
    return ffi.gc(lib.tw_swarm_new(ffi.new("tw_swarm_options *", options)), lib.tw_swarm_free)


def new_rules(settings: dict[str, str], secret: bytes = SECRET) -> "CData":
    """Make tw_udp_rules: the defaults of the exchanges, changed by settings."""
    changed = {name: int(settings[name]) for name in RULES.keys() & settings.keys()}
    return ffi.new("tw_udp_rules *", RULES | changed | {"secret": secret, "count_clients": True})


def new_access_list(settings: dict[str, str]) -> "CData":
    """Make the access list that `allow` or `deny` names by the bytes their info hashes consist of."""
    for mode, name in ((lib.TW_ACCESS_ALLOW, "allow"), (lib.TW_ACCESS_DENY, "deny")):
        if name in settings:
            info_hashes = [bytes.fromhex(byte) * 20 for byte in settings[name].split()]
            access_list = lib.tw_access_list_new(mode, b"".join(info_hashes), len(info_hashes))
            return ffi.gc(access_list, lib.tw_access_list_free)
    return ffi.NULL


def tracker_of(exchange: Exchange) -> Tracker:
    """Make the tracker that an exchange talks to."""
    return Tracker(exchange.settings)
