"""The real clients: how each is made to share one torrent and to learn of peers from its tracker alone.

Every function starts a client that shares `folder/payload.torrent` from or into `folder/data`, with DHT, peer
exchange and local discovery off. A client that finds the complete file there seeds it; otherwise it downloads, then
seeds. The program is called by the folder's name. Trackers with https it believes when `folder/authority.pem` has
signed their certificate, and only then.
"""

import json
from collections.abc import Callable
from pathlib import Path

from tests.interop.network import Host
from tests.interop.programs import Programs

DEBIAN_PYTHON = "/usr/bin/python3"

StartClient = Callable[[Programs, Host, Path, int], None]
"""Takes the test's programs, the host to run on, the client's own folder and the IP version of tracker and peers."""

QBITTORRENT_SETTINGS = """\
[LegalNotice]
Accepted=true
[BitTorrent]
Session\\DHTEnabled=false
Session\\PeXEnabled=false
Session\\LSDEnabled=false
Session\\Port=6881
Session\\QueueingSystemEnabled=false
[Network]
PortForwardingEnabled=false
"""


def start_aria2(programs: Programs, host: Host, folder: Path, ip_version: int) -> None:
    """Start aria2c. It needs DHT for UDP trackers; without a node to begin from, DHT finds nobody."""
    options = {
        "dir": str(folder / "data"),
        "listen-port": "6881",
        "dht-listen-port": "6882",
        "enable-dht": "true",
        "enable-dht6": "false",
        "dht-file-path": str(folder / "dht.dat"),
        "enable-peer-exchange": "false",
        "bt-enable-lpd": "false",
        "check-integrity": "true",
        "seed-ratio": "0.0",
        "disable-ipv6": "true",
        "ca-certificate": str(folder / "authority.pem"),
        "console-log-level": "info",
        "log-level": "info",
        "summary-interval": "0",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    programs.start(folder.name, host, ["aria2c", "--no-conf", *flags, str(folder / "payload.torrent")])


def start_transmission(programs: Programs, host: Host, folder: Path, ip_version: int) -> None:
    """Start transmission-daemon with a watched folder that holds the torrent."""
    settings = {
        "watch-dir": str(folder),
        "watch-dir-enabled": True,
        "download-dir": str(folder / "data"),
        "incomplete-dir-enabled": False,
        "dht-enabled": False,
        "pex-enabled": False,
        "lpd-enabled": False,
        "port-forwarding-enabled": False,
        "utp-enabled": False,
        "rpc-enabled": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    command = ["transmission-daemon", "--foreground", "--log-debug", "--config-dir", str(folder)]
    programs.start(folder.name, host, command, CURL_CA_BUNDLE=str(folder / "authority.pem"))


def start_qbittorrent(programs: Programs, host: Host, folder: Path, ip_version: int) -> None:
    """Start qbittorrent-nox with a profile of its own."""
    settings = folder / "qBittorrent" / "config" / "qBittorrent.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(QBITTORRENT_SETTINGS)
    options = [f"--profile={folder}", f"--save-path={folder / 'data'}", "--skip-dialog=true", "--add-paused=false"]
    command = ["qbittorrent-nox", *options, str(folder / "payload.torrent")]
    programs.start(folder.name, host, command, SSL_CERT_FILE=str(folder / "authority.pem"))


def start_libtorrent(programs: Programs, host: Host, folder: Path, ip_version: int) -> None:
    """Start the small client in libtorrent_client.py."""
    address = host.address(ip_version) if ip_version == 4 else f"[{host.address(6)}]"
    script = Path(__file__).with_name("libtorrent_client.py")
    command = [DEBIAN_PYTHON, str(script), str(folder / "payload.torrent"), str(folder / "data"), address]
    programs.start(folder.name, host, command, SSL_CERT_FILE=str(folder / "authority.pem"))
