"""Announce URLs as operators type them."""

import pytest
from thalweg.tracker_url import TrackerUrlError, parse_tracker_url


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("udp://[2001:db8::1]:443/announce?key=1", "2001:db8::1", 443, "/announce?key=1"),
        ("udp://tracker.example:6969", "tracker.example", 6969, ""),
        ("http://tracker.example/announce", "tracker.example", 80, "/announce"),
        ("https://tracker.example/a%20key/announce.php?x=1", "tracker.example", 443, "/a%20key/announce.php?x=1"),
        ("http://[::1]:8080/ä key", "::1", 8080, "/%C3%A4%20key"),
        ("wss://tracker.example", "tracker.example", 443, "/"),
        ("ws://tracker.example?key=1", "tracker.example", 80, "/?key=1"),
        ("ws://tracker.example:8000/announce?key=1", "tracker.example", 8000, "/announce?key=1"),
    ],
)
def test_a_url_is_taken_apart(text: str, host: str, port: int, path: str) -> None:
    """Brackets of IPv6 addresses are not part of the host; ports have defaults; paths are fit for a request line."""
    url = parse_tracker_url(text)
    assert (url.host, url.port, url.path) == (host, port, path)
    assert url.scheme == text.partition(":")[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://x", "not the URL of a tracker; write udp://HOST:PORT/announce or http://HOST/announce or https://"),
        ("udp://x", "the port is missing; write udp://HOST:PORT/announce"),
        ("http://x:0/announce", "the port is missing; write http://HOST:PORT/announce"),
        ("http://x:8080", "the path is missing; write http://x:8080/announce"),
        ("http://x?key=1", "the path is missing; write http://x/announce"),
        ("http://me:pass@x/announce", "names and passwords are not sent"),
        ("http:///announce", "the host is missing"),
        ("wss:///announce", "the host is missing"),
        ("https://[::1/announce", "Invalid IPv6 URL"),
        ("http://x:99999/announce", "Port out of range"),
    ],
)
def test_the_text_of_an_error_begins_with_the_url(text: str, reason: str) -> None:
    """Among several URLs the bad one is named; the rest says what to write instead."""
    with pytest.raises(TrackerUrlError) as raised:
        parse_tracker_url(text)
    assert str(raised.value).startswith(f"{text}: {reason}")


def test_only_what_is_asked_for_is_taken() -> None:
    """A command that can do with some kinds of trackers only refuses the others."""
    with pytest.raises(
        TrackerUrlError, match=r"http:// trackers are not supported here; write udp://HOST:PORT/announce$"
    ):
        parse_tracker_url("http://x/announce", ["udp"])
