"""Scrape exports and reports of the running service."""

import signal
from pathlib import Path

import pytest
from thalweg_common.udp_wire import Announce, Event
from thalweg_udp.percentiles import percentiles

from packages.udp.tests.running import LISTEN_ANYWHERE, RunningService

INFO_HASH = bytes(range(20))


def fill(service: RunningService) -> None:
    """Two leechers, one seeder that has finished here and a partial seed over IPv4; a leecher over IPv6."""
    peers = [(1, 1, Event.STARTED), (2, 1, Event.STARTED), (3, 0, Event.COMPLETED), (4, 1, Event.PAUSED)]
    with service.client(4) as client:
        for port, left, event in peers:
            announce = Announce(info_hash=INFO_HASH, peer_id=b"-qB4390-abcdefghijkl", port=port, left=left, event=event)
            client.announce(announce)
        gone = Announce(info_hash=b"E" * 20, peer_id=bytes(20), port=5, left=1)
        client.announce(gone)
        client.announce(Announce(info_hash=b"E" * 20, peer_id=bytes(20), port=5, left=1, event=Event.STOPPED))
    with service.client(6) as client:
        client.announce(Announce(info_hash=INFO_HASH, peer_id=bytes(20), port=1, left=1))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("aquatic", f"4 {INFO_HASH.hex()} 1 3\n6 {INFO_HASH.hex()} 0 1\n"),
        (
            "full",
            "# ip_version info_hash seeders leechers partial_seeds downloads\n"
            f"4 {INFO_HASH.hex()} 1 3 1 1\n6 {INFO_HASH.hex()} 0 1 0 0\n",
        ),
    ],
)
def test_an_export_on_demand(tmp_path: Path, form: str, expected: str) -> None:
    """SIGUSR2 writes one; torrents without peers are not in it, and nothing else is left behind."""
    config = LISTEN_ANYWHERE + f'[scrape_exports]\nformat = "{form}"\npath = "out/export.txt"\n'
    (tmp_path / "out").mkdir()
    with RunningService(tmp_path, config) as service:
        fill(service)
        service.send(signal.SIGUSR2)
        service.wait_for_log("scrape export written file=out/export.txt torrents=2")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["export.txt"]
    assert (tmp_path / "out" / "export.txt").read_text() == expected


def test_regular_exports(tmp_path: Path) -> None:
    """The first comes after the first cleaning interval."""
    config = LISTEN_ANYWHERE + "[scrape_exports]\nenable_scrape_exports = true\n[cleaning]\n"
    with RunningService(tmp_path, config + "torrent_cleaning_interval = 1\n") as service:
        service.wait_for(lambda: (tmp_path / "udp-scrape-export.txt").exists())


def test_an_export_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The service goes on."""
    config = LISTEN_ANYWHERE + '[scrape_exports]\npath = "nowhere/export.txt"\n'
    with RunningService(tmp_path, config) as service:
        service.send(signal.SIGUSR2)
        service.wait_for_log('scrape export failed file=nowhere/export.txt reason="No such file or directory"')
        assert service.stop() == 0


def test_reports_on_standard_output_and_as_a_page(tmp_path: Path) -> None:
    """Both show rates, the swarm, clients and percentiles."""
    config = LISTEN_ANYWHERE + (
        "[statistics]\ninterval = 1\nprint_to_stdout = true\nwrite_html_to_file = true\npeer_clients = true\n"
        "torrent_peer_histograms = true\n[cleaning]\ntorrent_cleaning_interval = 1\n"
    )
    page = tmp_path / "tmp" / "statistics.html"
    with RunningService(tmp_path, config) as service:
        fill(service)
        service.wait_for(lambda: page.exists() and "qBittorrent" in page.read_text() and "p999" in page.read_text())
        service.wait_for_log("qBittorrent")
        text = page.read_text()
    assert "<h2>IPv6</h2>" in text
    assert "<tr><th>peers</th><td>4</td></tr>" in text
    assert "requests/s" in service.log


def test_percentiles() -> None:
    """The smallest size that at least this share of torrents does not exceed."""
    sizes = {1: 90, 2: 9, 1000: 1}
    found = percentiles(sizes)
    assert (found["min"], found["p50"], found["p90"], found["p95"], found["p99"], found["p999"], found["max"]) == (
        1, 1, 1, 2, 2, 1000, 1000,
    )  # fmt: skip
    assert set(percentiles({}).values()) == {0}
