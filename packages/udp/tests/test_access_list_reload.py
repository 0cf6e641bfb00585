"""The access list of the running service, and what a reload changes."""

import signal
from pathlib import Path

import pytest
from thalweg_common.udp_client import UdpTrackerClient
from thalweg_common.udp_wire import Announce, TrackerError

from packages.udp.tests.running import LISTEN_ANYWHERE, RunningService

LISTED, OTHER = b"L" * 20, b"O" * 20


def config(mode: str) -> str:
    """Listening anywhere, with a list in this mode."""
    return LISTEN_ANYWHERE + f'[access_list]\nmode = "{mode}"\npath = "list"\n'


def announce(client: UdpTrackerClient, info_hash: bytes) -> int:
    """Announces; gives the number of leechers."""
    return client.announce(Announce(info_hash=info_hash, peer_id=bytes(20), port=1, left=1)).leechers


@pytest.mark.parametrize(("mode", "served", "refused"), [("allow", LISTED, OTHER), ("deny", OTHER, LISTED)])
def test_the_list_decides_who_is_served(tmp_path: Path, mode: str, served: bytes, refused: bytes) -> None:
    """The refused get an error packet, and zeros in scrapes."""
    (tmp_path / "list").write_text(f"# mine\n{LISTED.hex()}\n")
    with RunningService(tmp_path, config(mode)) as service, service.client() as client:
        assert announce(client, served) == 1
        with pytest.raises(TrackerError, match="not allowed"):
            announce(client, refused)
        assert [row.leechers for row in client.scrape([refused, served])] == [0, 1]


def test_an_empty_list_allows_nothing(tmp_path: Path) -> None:
    """It is a list, and not the absence of one."""
    (tmp_path / "list").write_text("# nothing yet\n")
    refused = pytest.raises(TrackerError, match="not allowed")
    with RunningService(tmp_path, config("allow")) as service, service.client() as client, refused:
        announce(client, LISTED)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_reload_takes_effect_and_removes_what_is_now_refused(tmp_path: Path, number: signal.Signals) -> None:
    """The torrent is gone from the swarm, and comes back empty when it is allowed again."""
    file = tmp_path / "list"
    file.write_text("")
    with RunningService(tmp_path, config("deny")) as service, service.client() as client:
        assert announce(client, LISTED) == 1
        file.write_text(LISTED.hex())
        service.send(number)
        service.wait_for_log("access list reloaded info_hashes=1")
        with pytest.raises(TrackerError):
            announce(client, LISTED)
        service.wait_for(lambda: service.next_status().ip_version["4"].torrents == 0)
        file.write_text("")
        service.send(number)
        service.wait_for_log("access list reloaded info_hashes=0")
        assert client.scrape([LISTED])[0].leechers == 0


def test_a_bad_file_leaves_the_old_list_in_use(tmp_path: Path) -> None:
    """And the log says which line was bad."""
    file = tmp_path / "list"
    file.write_text(LISTED.hex())
    with RunningService(tmp_path, config("allow")) as service, service.client() as client:
        file.write_text(f"{OTHER.hex()}\nnonsense\n")
        service.send(signal.SIGHUP)
        service.wait_for_log("access list not reloaded, the old one stays")
        assert "list: line 2: expected an info hash" in service.log
        assert announce(client, LISTED) == 1
        with pytest.raises(TrackerError):
            announce(client, OTHER)


def test_a_reload_without_a_list_is_harmless(tmp_path: Path) -> None:
    """aquatic's users send SIGUSR1 from cron."""
    with RunningService(tmp_path) as service:
        service.send(signal.SIGUSR1)
        service.wait_for_log("nothing to reload")
        assert service.stop() == 0
