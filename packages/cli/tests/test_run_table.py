"""The table of `thalweg run`, as text."""

from thalweg.run_table import HINT, ServiceView, frame, status_line, table
from thalweg_common.status import FamilyStatus, Status

URLS = [f"udp://192.0.2.{number}:6969/announce" for number in range(1, 11)]


def status(uptime: float, requests: int) -> Status:
    """A status line of a service that had `requests` over IPv4, none over IPv6."""
    busy = FamilyStatus(requests_total=requests, replies_total=requests, torrents=1700, peers=4000, seeders=900)
    idle = FamilyStatus(requests_total=0, replies_total=0, torrents=0, peers=0, seeders=0)
    return Status(
        service="udp",
        version="0",
        ready=True,
        uptime_seconds=uptime,
        addresses=[],
        memory_bytes=17 * 2**20,
        ip_version={"6": idle, "4": busy},
    )


def running() -> ServiceView:
    """A service that answered 1500 requests in the last second."""
    view = ServiceView("udp")
    view.take(status(10.0, 500))
    view.take(status(11.0, 2000))
    return view


def test_the_table_has_a_line_for_each_family() -> None:
    """Rates are differences of status lines; service and memory stand once."""
    assert table([running()]) == [
        "service  clients  requests/s  torrents  peers  seeders    memory",
        "udp      IPv4          1,500     1,700  4,000      900  17.0 MiB",
        "         IPv6              0         0      0        0",
    ]


def test_a_service_that_has_not_told_anything_is_starting() -> None:
    """Before the first status line there are no numbers."""
    assert table([ServiceView("udp")])[1] == "udp      starting"
    assert status_line(ServiceView("udp")) == "udp: starting"


def test_one_status_line_gives_no_rate() -> None:
    """A rate takes two lines; one line, or the same one twice, gives 0."""
    view = ServiceView("udp")
    view.take(status(10.0, 500))
    assert view.rate("4") == 0
    view.take(status(10.0, 500))
    assert view.rate("4") == 0


def test_a_frame_fits_its_screen() -> None:
    """Whatever the size, no line is too long, there are not too many, and the table is there."""
    view = running()
    view.log.extend(f"log line {number}" for number in range(10))
    for rows in range(1, 40):
        for columns in (20, 66, 200):
            lines = frame(URLS, [view], columns, rows)
            assert len(lines) <= rows
            assert max(map(len, lines)) <= columns
            assert lines.count(table([view])[1][:columns]) == (rows > 1)


def test_a_large_screen_has_everything() -> None:
    """Announce URLs, table, the last log lines and the hint, in this order."""
    view = running()
    view.log.extend(["first", "second"])
    lines = frame(URLS, [view], 80, 40)
    wanted = ["Announce URLs:", f"  {URLS[0]}", table([view])[0], "udp: second", HINT]
    assert [line for line in lines if line in wanted] == wanted


def test_the_plain_line_has_the_same_numbers() -> None:
    """Without a terminal one line says what the table says."""
    assert status_line(running()) == (
        "udp: IPv4 1500 requests/s 1700 torrents 4000 peers; IPv6 0 requests/s 0 torrents 0 peers; 17.0 MiB"
    )
