"""Hypothesis strategies: requests as clients write them, with some of everything that goes wrong on the way.

A request is drawn as parameters and header lines. Then some of them are left out, doubled, moved or made odd; then
bytes of the whole are changed, taken out and put in. Nothing that is drawn is too odd to be sent by somebody.

The examples are the same on every run, so that a red build can be repeated at once. THALWEG_EXPLORE=n draws n new
random ones instead; a failure prints what to paste to repeat it.
"""

from __future__ import annotations

import os
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

EXPLORE = int(os.environ.get("THALWEG_EXPLORE", "0"))

HASHES = [bytes([byte]) * 20 for byte in b"abcd"] + [bytes(range(240, 256)) + b"%&=;", b" +" * 10]
VERSION_2 = b"v" * 32
PEER_IDS = [b"-qB4390-abcdefghijkl", b"-TR4050-\0\1\2\3\xfc\xfd\xfe\xff+ =&", b"A2-1-36-0-h\5t\5s\xb9\xde\xfc\xd6e"]

NUMBERS = [
    b"0", b"1", b"2", b"50", b"200", b"-1", b"-0", b"00", b"007", b"", b"+1", b" 1", b"1.5", b"0x10", b"1e3", b"NaN",
    b"65535", b"65536", b"6881", b"4294967295", b"4294967294", b"-4294967295", b"4294967296", b"9223372036854775807",
    b"18446744073709551615", b"18446744073709551617", b"999999999999999999", b"1000000000000000000", b"9" * 30,
    b"0" * 30 + b"7", b"%30", b"5%30", b"-", b"--1", b"1_000", b"\xd9\xa1", b"None",
]  # fmt: skip
EVENTS = [
    b"started", b"completed", b"stopped", b"paused", b"", b"empty", b"unknown", b"Started", b"stopped ", b"%73topped",
]  # fmt: skip
ODD_ESCAPES = [b"%", b"%4", b"%4g", b"%G4", b"%/0", b"%:0", b"%@1", b"%`1", b"%%41", b"% 1", b"%-1", b"%+1", b"%0x"]
VENDORS = [
    b"supportcrypto=1", b"no_peer_id=1", b"corrupt=0", b"redundant=0", b"key=%ff%00a+b", b"azver=3", b"trackerid=",
    b"ip=10.0.0.1", b"ipv6=[fe80::1%25eth0]", b"ipv4=None", b"", b"=", b"==", b"=&=", b"info_hash", b"peer_id",
    b"port", b"left", b"numwant", b"compact", b"event", b"a=b=c", b"%69nfo_hash=" + b"d" * 20, b"por%74=1", b"Port=1",
    b"key=%", b"key=%4", b"key=%zz", b"key=()!*'~$,:@/", b"amp;port=1", b"info_hash=", b"info_hash=short", b"?port=1",
    b";port=2", b"passkey=1?compact=0", b"key=a;left=0", b"x;y", b"#left=0", b"key=\x80\xff", b"\xc3\xa4=1",
    b"compact=1#", b"key=\t",
]  # fmt: skip
HEADERS = [
    b"User-Agent: curl/7.81.0", b"Accept: */*", b"Accept-Encoding: gzip", b"Connection: close",
    b"Connection: keep-alive", b"Connection: Close", b"connection:KEEP-ALIVE", b"Connection: close, TE",
    b"Connection: keep-alive, close", b"Connection:", b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade: websocket",
    b"Content-Length: 0", b"Content-Length: 3", b"Content-Length: x", b"content-length: 0, 0",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"TE: trailers", b"Expect: 100-continue", b"Host: x",
    b"Host:", b"HOST: tracker.example", b"Host : x", b" folded", b"\tfolded: twice", b"X-Y: \x80\xff", b"X-Y:\x00",
    b"X-Y: a\rb", b"X-Y: a\x0bb", b"X-\xff: 1", b"X Y: 1", b"no colon", b": empty", b"X-Empty:", b"X-Blank: \t ",
    b"X-Colons: a:b:c", b"X-(): 1", b"x-y\t: 1", b"Keep-Alive: 300", b"Proxy-Connection: close", b"If-None-Match: *",
    b"Range: bytes=0-1", b"Cookie: a=b; c=d", b"HTTP2-Settings: AAMA", b"GET /x HTTP/1.1",
    b"X-Forwarded-For: 203.0.113.77", b"Forwarded: for=203.0.113.78",
]  # fmt: skip
TARGETS = [
    b"/announce?", b"/scrape?", b"/announce", b"/announce??", b"/announce?&", b"//announce?", b"/announce/?",
    b"/Announce?", b"/announce.php?", b"/key/announce?", b"/announce/key?", b"/%61nnounce?",
    b"http://tracker.example/announce?", b"announce?", b"/announce#?", b"/announce;?", b"/scrape.php?", b"/", b"*",
    b"",
]  # fmt: skip
FORWARDED = [
    b"203.0.113.7", b"198.51.100.9", b"127.0.0.1", b"10.1.2.3", b"11.22.33.44", b"2001:db8::7", b"2a01::7", b"::1",
    b"::", b"::ffff:203.0.113.9", b"::ffff:10.1.2.3", b"::FFFF:CB00:7109", b"0:0:0:0:0:ffff:203.0.113.9",
    b"203.0.113.7:80", b"[2001:db8::7]", b"[2001:db8::7]:80", b"fe80::1%eth0", b"203.0.113", b"203.0.113.256",
    b"0203.0.113.7", b"203.0.113.07", b"1", b"unknown", b"", b"for=203.0.113.7", b'for="[2001:db8::7]:80"',
    b"203.0.113.7 203.0.113.8", b"\xff", b"1:2", b"0000:0000:0000:0000:0000:ffff:203.000.113.009",
    b"2001:db8:0:0:0:0:0:7", b"2001:db8:::7", b"%32", b"203.0.113.7;a=b",
]  # fmt: skip


def encoded(value: bytes, how: str) -> bytes:
    """A value in a query: as most clients write it, as others do, or as nobody should."""
    match how:
        case "upper":
            return quote_from_bytes(value, safe="~").encode()
        case "lower":
            return quote_from_bytes(value, safe="~()!*'").lower().encode()
        case "all":
            return b"".join(b"%%%02X" % byte for byte in value)
    return value


@st.composite
def info_hashes(draw: st.DrawFn) -> bytes:
    """Mostly good ones; or twenty bytes for those who take every escape, or none."""
    if draw(st.integers(0, 15)) == 0:
        return b"info_hash=" + b"e" * draw(st.integers(17, 20)) + draw(st.sampled_from(ODD_ESCAPES))
    value = draw(st.sampled_from(HASHES) | st.sampled_from([*HASHES, VERSION_2, b"short", b"a" * 19, b"a" * 40]))
    return b"info_hash=" + encoded(value, draw(st.sampled_from(["upper", "upper", "all", "raw"])))


@st.composite
def announce_parameters(draw: st.DrawFn) -> list[bytes]:
    """As a client would have them; numbers and events are odd sometimes."""
    how = draw(st.sampled_from(["upper", "upper", "all", "raw"]))
    wanted = [draw(info_hashes()), b"peer_id=" + encoded(draw(st.sampled_from(PEER_IDS)), how)]
    some = {
        b"port": st.sampled_from([b"6881", b"6881", b"6882", b"0"]) | st.sampled_from(NUMBERS),
        b"uploaded": st.sampled_from(NUMBERS),
        b"left": st.sampled_from([b"0", b"0", b"1", b"16384"]) | st.sampled_from(NUMBERS),
        b"compact": st.sampled_from([b"1", b"1", b"1", b"0", b"", b"01", b"%31"]),
        b"event": st.sampled_from(EVENTS),
        b"numwant": st.sampled_from([b"0", b"1", b"5", b"50", b"200", b"999", b"-1"]) | st.sampled_from(NUMBERS),
    }
    names = draw(st.lists(st.sampled_from(sorted(some)), unique=True, min_size=2))
    return wanted + [name + b"=" + draw(some[name]) for name in names]


def scrape_parameters() -> st.SearchStrategy[list[bytes]]:
    """Info hashes, some of them twice."""
    return st.lists(info_hashes(), min_size=1, max_size=9) | st.lists(info_hashes(), min_size=90, max_size=110)


@st.composite
def shuffled(draw: st.DrawFn, items: list[bytes], strange: list[bytes]) -> list[bytes]:
    """With some left out, doubled, in another order, and strange ones among them."""
    items = list(items)
    for change in draw(st.lists(st.sampled_from(["drop", "double", "move", "add", "add"]), max_size=3)):
        at = draw(st.integers(0, max(0, len(items) - 1)))
        match change:
            case "drop":
                del items[at : at + 1]
            case "double":
                items += items[at : at + 1]
            case "move":
                items.insert(0, items.pop(at)) if items else None
            case "add":
                items.insert(at, draw(st.sampled_from(strange)))
    return items


@st.composite
def plain(draw: st.DrawFn) -> bytes:
    """A request that a client could have sent, with strange parameters and headers."""
    scrape = draw(st.sampled_from([False, False, False, True]))
    parameters = draw(scrape_parameters() if scrape else announce_parameters())
    parameters = draw(shuffled(parameters, VENDORS))
    separator = draw(st.sampled_from([b"&"] * 12 + [b"&amp;", b";", b"&&"]))
    target = b"/scrape?" if scrape else b"/announce?"
    target = draw(st.sampled_from([target] * 12 + TARGETS)) + separator.join(parameters)
    headers = draw(shuffled([b"Host: tracker.example", b"User-Agent: x/1"], HEADERS))
    version = draw(
        st.sampled_from([b"HTTP/1.1"] * 15 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 "])
    )
    method = draw(st.sampled_from([b"GET"] * 15 + [b"get", b"POST", b"PUT", b"G", b"GET "]))
    newline = draw(st.sampled_from([b"\r\n"] * 15 + [b"\n", b"\r\r\n", b"\n\r"]))
    return newline.join([b"%b %b %b" % (method, target, version), *headers, b"", b""])


@st.composite
def damaged(draw: st.DrawFn, requests: st.SearchStrategy[bytes]) -> bytes:
    """With bytes changed, taken out, put in, or said twice; often with none of that."""
    data = bytearray(draw(requests))
    interesting = st.sampled_from(list(b"\0\t\n\r %&+-:;=?#0159AaGg\x7f\x80\xff")) | st.integers(0, 255)
    for change in draw(st.lists(st.sampled_from(["change", "remove", "insert", "repeat", "cut"]), max_size=3)):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        size = draw(st.integers(1, 5))
        match change:
            case "change":
                data[at : at + 1] = bytes([draw(interesting)])
            case "remove":
                del data[at : at + size]
            case "insert":
                data[at:at] = bytes([draw(interesting)])
            case "repeat":
                data[at:at] = data[at : at + size]
            case "cut":
                del data[at : at + draw(st.integers(1, 200))]
    return bytes(data)


@st.composite
def long_ones(draw: st.DrawFn) -> bytes:
    """About as long as any limit that there is: of a line, a target, a head in C, and a head at all."""
    limit = draw(st.sampled_from([8192, 16384, 32768]))
    size = limit + draw(st.integers(-40, 80))
    where = draw(st.sampled_from(["target", "header", "headers"]))
    start, end = (
        b"GET /announce?info_hash=" + b"a" * 20 + b"&peer_id=" + b"p" * 20 + b"&port=1",
        b" HTTP/1.1\r\nHost: x\r\n",
    )
    if where == "target":
        whole = draw(st.booleans())  # the limit is that of the line, or of the head
        room = size - len(start) - (len(end) + 2 if whole else 9)
        return start + b"&key=" + b"k" * (room - 5) + end + b"\r\n"
    line = b"X-Y: z\r\n" * (size // 8 - 30) if where == "headers" else b""
    room = size - len(start) - len(end) - len(line) - 9
    return start + end + line + b"X-Z: " + b"z" * room + b"\r\n\r\n"


@st.composite
def forwarded_values(draw: st.DrawFn) -> bytes:
    """What stands in X-Forwarded-For: addresses from the client to the nearest proxy, more or less."""
    entries = draw(st.lists(st.sampled_from(FORWARDED[:12]) | st.sampled_from(FORWARDED), min_size=1, max_size=5))
    if draw(st.integers(0, 20)) == 0:
        entries = [*entries, *[b"127.0.0.1"] * draw(st.integers(29, 34))]
    return draw(st.sampled_from([b",", b", ", b" ,\t", b",,"])).join(entries)


@st.composite
def forwarded(draw: st.DrawFn, names: list[bytes]) -> bytes:
    """A plain announce with the header once, or another number of times."""
    times = draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
    lines = [draw(st.sampled_from(names)) + b":" + draw(st.sampled_from([b" ", b"", b"\t "])) for _ in range(times)]
    headers = b"".join([line + draw(forwarded_values()) + b"\r\n" for line in lines])
    target = b"/announce?info_hash=%b&peer_id=%b&port=6881" % (HASHES[1], PEER_IDS[0])
    return b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (target, headers)
