"""One file that travels from one client to another, which know of each other from one of our trackers alone."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.interop.clients import StartClient
from tests.interop.network import Host
from tests.interop.programs import Programs
from tests.interop.torrent import make_torrent
from tests.interop.trackers import HttpTrackerView, TrackerView
from tests.interop.ways import Way

PAYLOAD_SIZE = 1024 * 1024
TRANSFER_SECONDS = 40
"""aria2 lets a new leecher wait for up to ten seconds; Transmission then asks for few blocks at first."""


def transfer(
    hosts: dict[str, Host],
    programs: Programs,
    start_seeder: StartClient,
    start_leecher: StartClient,
    ip_version: int,
    way: Way,
) -> None:
    """Fail unless the leecher gets the seeder's bytes, and the tracker counts two seeders and one download."""
    url = way(programs, hosts, ip_version)
    seeder, leecher = client_folder(programs, "seeder"), client_folder(programs, "leecher")
    payload, copy = seeder / "data" / "payload.bin", leecher / "data" / "payload.bin"
    content = random.randbytes(PAYLOAD_SIZE)
    payload.write_bytes(content)
    info_hash = make_torrent(payload, url, seeder / "payload.torrent")
    make_torrent(payload, url, leecher / "payload.torrent")

    view = TrackerView if url.startswith("udp:") else HttpTrackerView
    with view(hosts["leecher"], hosts["tracker"].address(ip_version), ip_version) as tracker:
        programs.wait_until(tracker.ready, "the tracker answered")
        start_seeder(programs, hosts["seeder"], seeder, ip_version)
        programs.wait_until(lambda: tracker.scrape(info_hash).seeders == 1, "the seeder had announced itself")
        start_leecher(programs, hosts["leecher"], leecher, ip_version)
        programs.wait_until(
            lambda: copy.exists() and copy.read_bytes() == content, "the leecher had the file", TRANSFER_SECONDS
        )
        programs.wait_until(lambda: tracker.scrape(info_hash).seeders == 2, "the leecher had announced completion")
        assert tracker.scrape(info_hash).completed == 1
        assert tracker.scrape(info_hash).leechers == 0


def client_folder(programs: Programs, name: str) -> Path:
    """Make the folder of one client, with room for the payload, and with the authority if the way has one."""
    folder = programs.folder / name
    (folder / "data").mkdir(parents=True)
    authority = programs.folder / "authority.pem"
    if authority.exists():
        shutil.copy(authority, folder)
    return folder
