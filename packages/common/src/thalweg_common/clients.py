"""Names of BitTorrent clients by the first bytes of their peer ids."""

from __future__ import annotations

# "Azureus style": a dash, two letters, four characters of version, a dash.
DASH_STYLE = {
    "AZ": "Vuze",
    "BI": "BiglyBT",
    "BT": "BitTorrent",
    "DE": "Deluge",
    "LT": "libtorrent (rasterbar)",
    "TR": "Transmission",
    "UE": "µTorrent Embedded",
    "UM": "µTorrent Mac",
    "UT": "µTorrent",
    "UW": "µTorrent Web",
    "WD": "WebTorrent Desktop",
    "WW": "WebTorrent",
    "lt": "libTorrent (rakshasa)",
    "qB": "qBittorrent",
}
UNKNOWN = "other"


def client_name(prefix: bytes) -> str:
    """The client behind the first 8 bytes of a peer id, without its version; "other" when it is not known."""
    if prefix[:1] == b"-":
        return DASH_STYLE.get(prefix[1:3].decode("latin-1"), UNKNOWN)
    if prefix[:2] == b"A2":
        return "aria2"
    if prefix[:1] == b"M" and prefix[1:2].isdigit():
        return "Mainline"
    return UNKNOWN
