"""The Python face of the C swarm; what the swarm does is judged by the model in tests/."""

import re
from pathlib import Path

import pytest
from thalweg_common import _core
from thalweg_common.swarm import AccessList, Counts, Swarm, compact_peer
from thalweg_common.udp_wire import Event
from thalweg_common.version import core_version

A, B = b"A" * 20, b"B" * 20
API = Path(__file__).parents[1] / "csrc" / "api.h"
STUB = Path(_core.__file__).parent / "_core.pyi"


def test_announce_and_scrape_agree() -> None:
    """Counts come as named numbers, peers as compact bytes, for both families."""
    with Swarm(filter_addresses=False) as swarm:
        for address in ("10.0.0.1", "2001:db8::1"):
            seeder, leecher = compact_peer(address, 1), compact_peer(address, 2)
            swarm.announce(A, seeder, event=Event.COMPLETED, left_nothing=True)
            counts, peers = swarm.announce(A, leecher, event=Event.STARTED)
            assert counts == Counts(seeders=1, leechers=1, partial_seeds=0, downloads=1)
            assert peers == [seeder]
            assert swarm.scrape(6 if ":" in address else 4, A) == counts


def test_peers_expire_when_told_the_time() -> None:
    """No test has to wait."""
    with Swarm(max_peer_age=10, clean_interval=1) as swarm:
        swarm.announce(A, compact_peer("10.0.0.1", 1), now_ms=1_000)
        swarm.expire_all(now_ms=10_000)
        assert swarm.totals(4).peers == 1
        swarm.expire_all(now_ms=20_000)
        totals = swarm.totals(4)
        assert (totals.peers, totals.expired_peers) == (0, 1)


def test_rows_are_complete_over_many_chunks() -> None:
    """More torrents than fit into one copy, each exactly once."""
    info_hashes = {number.to_bytes(20, "little") for number in range(10_000)}
    with Swarm() as swarm:
        for info_hash in info_hashes:
            swarm.announce(info_hash, compact_peer("10.0.0.1", 1))
        rows = list(swarm.rows(4))
        assert len(rows) == 10_000
        assert {row.info_hash for row in rows} == info_hashes
        assert list(swarm.rows(6)) == []
        assert swarm.work().bytes_used > 0


def test_access_lists_allow_deny_and_purge() -> None:
    """Doubles count once; purging removes what is not allowed."""
    with Swarm() as swarm:
        for info_hash in (A, B):
            swarm.announce(info_hash, compact_peer("10.0.0.1", 1))
        allow, deny = AccessList("allow", A + A), AccessList("deny", A)
        assert (len(allow), allow.allows(A), allow.allows(B)) == (1, True, False)
        assert (deny.allows(A), deny.allows(B)) == (False, True)
        assert sum(allow.purge(swarm)) == 1
        assert [row.info_hash for row in swarm.rows(4)] == [A]


@pytest.mark.parametrize("arguments", [{"max_peer_age": 0}, {"clean_interval": 0}, {"max_bytes": 1 << 60}])
def test_options_out_of_range_are_refused(arguments: dict[str, int]) -> None:
    """The core says no, and Python says so."""
    with pytest.raises(MemoryError, match="out of range"):
        Swarm(**arguments)  # type: ignore[arg-type]


def test_wrong_peers_are_refused() -> None:
    """A peer is 6 or 18 bytes, an address is IPv4 or IPv6."""
    with Swarm() as swarm, pytest.raises(ValueError, match="peer of 5 bytes, expected 6 or 18"):
        swarm.announce(A, b"short")
    with pytest.raises(ValueError, match="expected an IP address"):
        compact_peer("localhost", 1)
    with pytest.raises(ValueError, match="expected an IP address"):
        compact_peer("10.0.0.1", 65536)


def test_the_types_name_all_of_the_interface() -> None:
    """Each function and constant of api.h is in the stub, with the same number of arguments."""
    interface = re.sub(r"/\*.*?\*/", "", API.read_text(), flags=re.DOTALL)
    stub = STUB.read_text()
    assert set(re.findall(r"#define (TW_\w+)", interface)) == set(re.findall(r"^    (TW_\w+): int", stub, re.MULTILINE))
    declared = {
        name: 0 if arguments == "void" else arguments.count(",") + 1
        for name, arguments in re.findall(r"\b(tw_\w+)\(([^)]*)\);", interface)
    }
    typed = {name: arguments.count(": ") for name, arguments in re.findall(r"def (tw_\w+)\(([^)]*)\) ->", stub)}
    assert typed == declared


def test_the_core_is_of_this_version() -> None:
    """A stale build shows."""
    pyproject = (API.parents[1] / "pyproject.toml").read_text()
    assert f'version = "{core_version()}"' in pyproject
