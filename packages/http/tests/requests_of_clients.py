"""Requests of real clients, byte for byte as they arrived on a listening socket.

Captured from aria2 1.36.0, Transmission 3.00, qBittorrent 4.5.2 and libtorrent 2.0.8; peer ids and keys as they came.
"""

from __future__ import annotations

_ARIA2 = (
    b"User-Agent: aria2/1.36.0\r\nAccept: */*\r\nHost: 127.0.0.1:46325\r\n"
    b"Want-Digest: SHA-512;q=1, SHA-256;q=1, SHA;q=0.1\r\n\r\n"
)
_TRANSMISSION = (
    b"Host: 127.0.0.1:46325\r\nUser-Agent: Transmission/3.00\r\nAccept: */*\r\n"
    b"Accept-Encoding: deflate, gzip, br, zstd\r\n\r\n"
)
_QBITTORRENT = (
    b"Host: 127.0.0.1:44551\r\nUser-Agent: qBittorrent/4.5.2\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
)
_LIBTORRENT = (
    b"Host: 127.0.0.1:46325\r\nUser-Agent: libtorrent/2.0.8.0\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
)

CAPTURED = {
    "aria2 starts": b"GET /announce?info_hash=%BC%BD%05%10%A2%A0%C9E%CBs5%B7%3C%BF%1C%E4%40%AFi-"
    b"&peer_id=A2-1-36-0-h%05t%05s%B9%DE%FC%D6e&uploaded=0&downloaded=0&left=100000&compact=1"
    b"&key=t%05s%B9%DE%FC%D6e&numwant=50&no_peer_id=1&port=16881&event=started&supportcrypto=1 HTTP/1.1\r\n" + _ARIA2,
    "aria2 goes on": b"GET /announce?info_hash=%BC%BD%05%10%A2%A0%C9E%CBs5%B7%3C%BF%1C%E4%40%AFi-"
    b"&peer_id=A2-1-36-0-h%05t%05s%B9%DE%FC%D6e&uploaded=0&downloaded=0&left=100000&compact=1"
    b"&key=t%05s%B9%DE%FC%D6e&numwant=50&no_peer_id=1&port=16881&supportcrypto=1 HTTP/1.1\r\n" + _ARIA2,
    "aria2 seeds": b"GET /announce?info_hash=%BC%BD%05%10%A2%A0%C9E%CBs5%B7%3C%BF%1C%E4%40%AFi-"
    b"&peer_id=A2-1-36-0-%C9%D1%B7%263e%8F%97%DE%DA&uploaded=0&downloaded=0&left=0&compact=1"
    b"&key=%B7%263e%8F%97%DE%DA&numwant=50&no_peer_id=1&port=16881&event=started&supportcrypto=1 HTTP/1.1\r\n" + _ARIA2,
    "Transmission starts": b"GET /announce?info_hash=%bc%bd%05%10%a2%a0%c9E%cbs5%b7%3c%bf%1c%e4%40%afi-"
    b"&peer_id=-TR3000-icruysfqv4i9&port=16882&uploaded=0&downloaded=0&left=100000&numwant=80&key=6b00e1ee"
    b"&compact=1&supportcrypto=1&event=started HTTP/1.1\r\n" + _TRANSMISSION,
    "Transmission seeds": b"GET /announce?info_hash=%bc%bd%05%10%a2%a0%c9E%cbs5%b7%3c%bf%1c%e4%40%afi-"
    b"&peer_id=-TR3000-kce752wervf1&port=16882&uploaded=0&downloaded=0&left=0&numwant=80&key=4dc4e6cc"
    b"&compact=1&supportcrypto=1&event=started HTTP/1.1\r\n" + _TRANSMISSION,
    "Transmission scrapes": b"GET /scrape?info_hash=%bc%bd%05%10%a2%a0%c9E%cbs5%b7%3c%bf%1c%e4%40%afi- HTTP/1.1\r\n"
    + _TRANSMISSION,
    "transmission-show scrapes": b"GET /scrape?info_hash=%bc%bd%05%10%a2%a0%c9E%cbs5%b7%3c%bf%1c%e4%40%afi- "
    b"HTTP/1.1\r\nHost: 127.0.0.1:46325\r\nUser-Agent: transmission-show/3.00 (bb6b5a062e)\r\nAccept: */*\r\n"
    b"Accept-Encoding: deflate, gzip, br, zstd\r\n\r\n",
    "qBittorrent starts": b"GET /announce?info_hash=%81%ca%e0%a4%3a%7c%c3%20r%93OH%ac%f6a%fe%05%ec%17("
    b"&peer_id=-qB4520-Dm7LgKrxe83q&port=16883&uploaded=0&downloaded=0&left=100000&corrupt=0&key=94C6D80A"
    b"&event=started&numwant=200&compact=1&no_peer_id=1&supportcrypto=1&redundant=0 HTTP/1.1\r\n" + _QBITTORRENT,
    "qBittorrent stops": b"GET /announce?info_hash=%81%ca%e0%a4%3a%7c%c3%20r%93OH%ac%f6a%fe%05%ec%17("
    b"&peer_id=-qB4520-Dm7LgKrxe83q&port=16883&uploaded=0&downloaded=0&left=100000&corrupt=0&key=94C6D80A"
    b"&event=stopped&numwant=0&compact=1&no_peer_id=1&supportcrypto=1&redundant=0 HTTP/1.1\r\n" + _QBITTORRENT,
    "libtorrent starts": b"GET /announce?info_hash=%bc%bd%05%10%a2%a0%c9E%cbs5%b7%3c%bf%1c%e4%40%afi-"
    b"&peer_id=-LT2080-PJy9bFiXVZNd&port=16884&uploaded=0&downloaded=0&left=100000&corrupt=0&key=E0BC24D7"
    b"&event=started&numwant=200&compact=1&no_peer_id=1&supportcrypto=1&redundant=0 HTTP/1.1\r\n" + _LIBTORRENT,
    "libtorrent goes on": b"GET /announce?info_hash=%bc%bd%05%10%a2%a0%c9E%cbs5%b7%3c%bf%1c%e4%40%afi-"
    b"&peer_id=-LT2080-PJy9bFiXVZNd&port=16884&uploaded=0&downloaded=0&left=100000&corrupt=0&key=E0BC24D7"
    b"&numwant=200&compact=1&no_peer_id=1&supportcrypto=1&redundant=0 HTTP/1.1\r\n" + _LIBTORRENT,
    "libtorrent stops": b"GET /announce?info_hash=%bc%bd%05%10%a2%a0%c9E%cbs5%b7%3c%bf%1c%e4%40%afi-"
    b"&peer_id=-LT2080-PJy9bFiXVZNd&port=16884&uploaded=0&downloaded=0&left=100000&corrupt=0&key=E0BC24D7"
    b"&event=stopped&numwant=0&compact=1&no_peer_id=1&supportcrypto=1&redundant=0 HTTP/1.1\r\n" + _LIBTORRENT,
}

# These were not captured: parameters and headers as the clients' sources and documents tell.
_HASH = b"%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A"
DESCRIBED = {
    "uTorrent": b"GET /announce?info_hash=" + _HASH + b"&peer_id=-UT3550-%a1%b4%0d%93%f2%e1%08%5c%aa%11%c0%9e"
    b"&port=51413&uploaded=0&downloaded=0&left=0&corrupt=0&key=2AF91D0C&event=started&numwant=200&compact=1"
    b"&no_peer_id=1 HTTP/1.1\r\nHost: tracker.example\r\nUser-Agent: uTorrent/3550(44590)\r\n"
    b"Accept-Encoding: gzip\r\nConnection: Close\r\n\r\n",
    "anacrolix": b"GET /announce?compact=1&downloaded=0&event=started&info_hash=" + _HASH + b"&key=-1456732911"
    b"&left=9223372036854775807&numwant=-1&peer_id=-GT0003-%8C%9E%C3%FA%20%B8%3D%0B%90%AE%7C%D7&port=42069"
    b"&supportcrypto=1&uploaded=0 HTTP/1.1\r\nHost: tracker.example\r\n"
    b"User-Agent: anacrolix/torrent\r\nAccept-Encoding: gzip\r\n\r\n",
    "rTorrent": b"GET /announce?info_hash=" + _HASH + b"&peer_id=-lt0D80-%F9%A4K%D6%08n%85%9B%CF%B7%3Fq"
    b"&key=5b8f1a3c&compact=1&port=6890&uploaded=0&downloaded=0&left=1048576&event=started HTTP/1.1\r\n"
    b"Host: tracker.example\r\nUser-Agent: rtorrent/0.9.8/0.13.8\r\nAccept: */*\r\n"
    b"Accept-Encoding: deflate, gzip\r\n\r\n",
    "Deluge": b"GET /announce?info_hash=" + _HASH + b"&peer_id=-DE211s-tYz8F4.QmA1c&port=6891&uploaded=0"
    b"&downloaded=0&left=0&corrupt=0&key=F8E17C55&event=completed&numwant=200&compact=1&no_peer_id=1"
    b"&supportcrypto=1&redundant=0 HTTP/1.1\r\nHost: tracker.example:8080\r\n"
    b"User-Agent: Deluge/2.1.1 libtorrent/2.0.8.0\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
    "newTrackon": b"GET /announce?info_hash=" + _HASH + b"&peer_id=-qB4390-c1%28aXn9w~K2d&port=30461&uploaded=0"
    b"&downloaded=0&left=0&compact=1&ipv4=None&ipv6=None HTTP/1.1\r\nHost: tracker.example\r\n"
    b"User-Agent: qBittorrent/4.3.9\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
    "Vuze": b"GET /announce?info_hash=" + _HASH + b"&peer_id=-AZ5770-x3kQpL9vTz0b&supportcrypto=1&port=54321"
    b"&azudp=54321&uploaded=0&downloaded=0&left=16384&corrupt=0&event=started&numwant=100&no_peer_id=1&compact=1"
    b"&key=q9xTmw2K&azver=3 HTTP/1.1\r\nUser-Agent: Azureus 5.7.7.0;Windows 10;Java 1.8.0_202\r\n"
    b"Connection: close\r\nAccept-Encoding: gzip\r\nHost: tracker.example\r\n"
    b"Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\n\r\n",
    "BitComet": b"GET /announce?info_hash=" + _HASH + b"&peer_id=-BC0170-%D5%2D%91%0E%F6w%A2J%10%85%C3%7F"
    b"&port=18920&natmapped=1&localip=192.168.1.20&port_type=lan&uploaded=0&downloaded=0&left=524288&numwant=200"
    b"&compact=1&no_peer_id=1&key=31415&event=started HTTP/1.1\r\nUser-Agent: BitComet/1.70.2.16\r\n"
    b"Connection: close\r\nHost: tracker.example\r\nAccept: */*\r\n\r\n",
    "Transmission's sixty": b"GET /scrape?"
    + b"&".join(b"info_hash=" + b"".join(b"%%%02x" % (number + at & 255) for at in range(20)) for number in range(60))
    + b" HTTP/1.1\r\nHost: tracker.example\r\nUser-Agent: Transmission/4.0.5\r\nAccept: */*\r\n"
    b"Accept-Encoding: deflate, gzip, br, zstd\r\n\r\n",
}
