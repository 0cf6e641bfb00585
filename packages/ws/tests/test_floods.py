"""Clients that are too many, too fast or too slow: what they cost, and that the others are served meanwhile."""

import contextlib
import socket
from pathlib import Path
from typing import Any

from packages.http.tests.attacking import MEBIBYTE, holding
from packages.ws.tests.frames import CONTINUATION, PING, TEXT, frame
from packages.ws.tests.running import LISTEN_ANYWHERE, PATIENCE, Client, RunningService, announce, offers
from tests.scraping import SERVE, scrape, value

LARGE = "x" * 50_000


def large_offer(name: str) -> list[dict[str, object]]:
    """An offer that is nearly as large as a message may be."""
    return [{"offer_id": name.ljust(20), "offer": {"type": "offer", "sdp": LARGE}}]


def narrow(service: RunningService) -> Client:
    """A client with room for little: the service has to keep the rest."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", service.port()))
    return Client(connection)


def test_a_slow_reader_loses_its_connection_and_nobody_else_anything(tmp_path: Path) -> None:
    """What waits for it is bounded; what does not fit is dropped and counted; then it is cut off."""
    config = LISTEN_ANYWHERE + "cleaning.max_write_time = 1\nlimits.max_queued_bytes = 200000\n" + SERVE
    with RunningService(tmp_path, config) as service, narrow(service) as slow, service.open() as quick:
        slow.ask(announce("slow"))
        sent = 0
        while value(scrape(service), "thalweg_closed_connections_total", reason="write_time") == 0:
            for _ in range(20):
                reply = quick.ask(announce("quick", offers=large_offer(str(sent))))
                assert "interval" in reply
                sent += 1
            assert value(scrape(service), "thalweg_queued_bytes") <= 2 * 200_000
        series = scrape(service)
        dropped = value(series, "thalweg_dropped_messages_total", type="offer", reason="queue")
        relayed = value(series, "thalweg_relayed_messages_total", type="offer", ip_version="4")
        assert dropped > 0
        assert dropped + relayed <= sent
        assert value(series, "thalweg_queued_bytes") == 0
        assert quick.ask(announce("quick"))["incomplete"] == 1


def test_every_offer_arrives_once(tmp_path: Path) -> None:
    """Counted by those who get them; as many as there are others to get them."""
    clients = 20
    with RunningService(tmp_path) as service, contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(service.open(4 + 2 * (number % 2))) for number in range(clients)]
        for number, client in enumerate(sockets):
            client.ask(announce(f"peer {number}"))
        for number, client in enumerate(sockets):
            client.send(announce(f"peer {number}", offers=offers(*[f"{number} {offer}" for offer in range(10)])))
        received = [message for _ in range(2) for client in sockets for message in before_scrape(client)]
        assert len([message for message in received if "interval" in message]) == clients
        found = [message["offer_id"] for message in received if "offer" in message]
        assert sorted(found) == sorted(f"{n} {offer}".ljust(20) for n in range(clients) for offer in range(10))


def before_scrape(client: Client) -> list[dict[str, Any]]:
    """Everything that the client is sent up to now. The second time nobody's announce is still to be read."""
    client.send({"action": "scrape", "info_hash": "z" * 20})
    received = []
    while (message := client.receive())["action"] != "scrape":
        received.append(message)
    return received


def test_floods_of_pings_and_fragments(tmp_path: Path) -> None:
    """Of clients that read nothing: others are answered, and little is kept."""
    with RunningService(tmp_path, LISTEN_ANYWHERE + "cleaning.max_write_time = 1\n") as service:
        before = holding(service)
        with service.open() as good, narrow(service) as pinging, narrow(service) as fragmenting, narrow(service) as odd:
            floods = (
                (pinging, frame(PING, b"p" * 125) * 400),
                (fragmenting, frame(TEXT, b"", final=False) + frame(CONTINUATION, b"", final=False) * 8000),
                (odd, frame(TEXT, b"[" * 50_000)),
            )
            for _ in range(20):
                for client, data in floods:
                    client.connection.settimeout(0.01)
                    with contextlib.suppress(OSError):
                        client.connection.sendall(data)
                assert good.ask(announce("good"))["incomplete"] == 1
            assert holding(service).memory - before.memory < 32 * MEBIBYTE
        service.wait_for(lambda: holding(service).descriptors <= before.descriptors)


def test_connections_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    """Descriptors are back, the swarm is empty, memory is what it was."""
    with RunningService(tmp_path) as service:
        rounds: list[int] = []
        before = holding(service)
        for _ in range(5):
            for number in range(100):
                with service.open(4 + 2 * (number % 2)) as client:
                    client.send(announce(f"peer {number}", offers=offers("x")))
                    if number % 3:
                        client.receive()
            service.wait_for(lambda: holding(service).descriptors <= before.descriptors)
            rounds.append(holding(service).memory)
        service.wait_for(lambda: service.next_status().ip_version["4"].peers == 0)
        assert rounds[-1] - rounds[0] < MEBIBYTE


def test_at_the_limit_of_connections_there_is_a_503(tmp_path: Path) -> None:
    """A place that gets free is used."""
    config = LISTEN_ANYWHERE + "limits.max_connections = 2\n"
    with RunningService(tmp_path, config) as service, service.open() as one, service.open():
        assert service.get("/health").startswith(b"HTTP/1.1 503 ")
        one.close()
        service.wait_for(lambda: service.get("/health").startswith(b"HTTP/1.1 200 "))
