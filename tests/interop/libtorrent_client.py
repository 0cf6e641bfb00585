"""A client on python3-libtorrent: `libtorrent_client.py TORRENT FOLDER ADDRESS`, until terminated.

Runs under Debian's own Python, which alone can import Debian's module.
"""

import sys

import libtorrent  # type: ignore[import-not-found]


def main(torrent: str, folder: str, address: str) -> None:
    """Share `torrent` from or into `folder`, listening on `address`, and print what libtorrent tells."""
    category = libtorrent.alert.category_t
    session = libtorrent.session(
        {
            "listen_interfaces": f"{address}:6881",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "alert_mask": category.tracker_notification | category.status_notification | category.error_notification,
        }
    )
    # Left out of the usual extensions: ut_pex.
    session.add_extension("ut_metadata")
    session.add_torrent({"ti": libtorrent.torrent_info(torrent), "save_path": folder})
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            print(alert.message(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
