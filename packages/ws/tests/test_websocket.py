"""WebSockets over memory streams: every rule of RFC 6455 for what a client sends, and what the service does then."""

import random
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import trio
import trio.testing
from thalweg_ws import service as service_module
from thalweg_ws.config import CleaningConfig, LimitsConfig, NetworkConfig
from thalweg_ws.service import Service
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong

from packages.ws.tests.asking import CLIENT, Client, connected, make_service, opened
from packages.ws.tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, frame
from packages.ws.tests.running import INFO_HASH, announce, offers

SCRAPE = msgspec.json.encode({"action": "scrape", "info_hash": INFO_HASH})


def run(
    script: Callable[[Service, Client], Awaitable[None]], service: Service | None = None, clock: bool = False
) -> Service:
    """Plays a client's part on one WebSocket; the service afterwards. `clock`: one that jumps."""
    service = service or make_service()

    async def main() -> None:
        with trio.fail_after(1000 if clock else 20):
            async with opened(service) as client:
                await script(service, client)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0) if clock else None)
    assert service.tracker.swarm.totals().peers == 0, "whoever is gone is in no swarm"
    assert (service.queued_bytes, service.sockets, service.connections.open) == (0, {}, 0)
    return service


def closed_with(data: bytes) -> tuple[int, str]:
    """The close code that these bytes lead to, and the reason that is counted."""
    codes = []

    async def script(_: Service, client: Client) -> None:
        await client.stream.send_all(data)
        codes.append(await client.closed_with())

    service = run(script)
    (reason,) = [reason for reason, count in service.counters.closed.items() if count]
    return codes[0], reason


MESSAGES = {
    "one frame": frame(TEXT, SCRAPE),
    "a binary frame": frame(BINARY, SCRAPE),
    "two fragments": frame(TEXT, SCRAPE[:9], final=False) + frame(CONTINUATION, SCRAPE[9:]),
    "binary fragments": frame(BINARY, SCRAPE[:9], final=False) + frame(CONTINUATION, SCRAPE[9:]),
    "an empty first fragment": frame(TEXT, b"", final=False) + frame(CONTINUATION, SCRAPE),
    "an empty last fragment": frame(TEXT, SCRAPE, final=False) + frame(CONTINUATION),
    "many empty fragments": frame(TEXT, SCRAPE, final=False)
    + frame(CONTINUATION, final=False) * 500
    + frame(CONTINUATION),
    "a byte for each fragment": frame(TEXT, b"", final=False)
    + b"".join(frame(CONTINUATION, SCRAPE[at : at + 1], final=False) for at in range(len(SCRAPE)))
    + frame(CONTINUATION),
    "a mask of zeros": frame(TEXT, SCRAPE, mask=bytes(4)),
    "a pong in between": frame(TEXT, SCRAPE[:9], final=False) + frame(PONG, b"x") + frame(CONTINUATION, SCRAPE[9:]),
    "an unasked pong before": frame(PONG) + frame(TEXT, SCRAPE),
}


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_message_in_every_form(name: str, step: int) -> None:
    """Fragmented or not, with control frames in between, whatever pieces the bytes arrive in: it is answered."""

    async def script(_: Service, client: Client) -> None:
        data = MESSAGES[name]
        for at in range(0, len(data), step):
            await client.stream.send_all(data[at : at + step])
        assert INFO_HASH in (await client.receive())["files"]

    run(script)


@pytest.mark.parametrize("size", [0, 1, 125])
@pytest.mark.parametrize("within_message", [False, True])
def test_pings_are_answered(size: int, within_message: bool) -> None:
    """With the same payload, also between the fragments of a message."""

    async def script(_: Service, client: Client) -> None:
        if within_message:
            await client.stream.send_all(frame(TEXT, SCRAPE[:5], final=False))
        await client.stream.send_all(frame(PING, b"p" * size))
        event = await client.next_event()
        assert isinstance(event, Pong)
        assert event.payload == b"p" * size
        if within_message:
            await client.stream.send_all(frame(CONTINUATION, SCRAPE[5:]))
            assert INFO_HASH in (await client.receive())["files"]

    run(script)


@pytest.mark.parametrize("reserved", [1, 2, 4, 7])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_reserved_bits(opcode: int, reserved: int) -> None:
    """No extension is spoken."""
    assert closed_with(frame(opcode, b"", reserved=reserved)) == (1002, "protocol")


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes(opcode: int) -> None:
    """Nobody knows what they mean."""
    assert closed_with(frame(opcode, b"x")) == (1002, "protocol")


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_clients_mask(opcode: int) -> None:
    """A frame without a mask ends the connection (5.1)."""
    assert closed_with(frame(opcode, b"", mask=None)) == (1002, "protocol")


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize("how", [{"final": False}, {"payload": b"\x03\xe8" + b"x" * 124}])
def test_control_frames_are_whole_and_short(opcode: int, how: dict[str, object]) -> None:
    """They are not fragmented, and have 125 bytes at most (5.5)."""
    assert closed_with(frame(opcode, **{"payload": b"\x03\xe8", **how})) == (1002, "protocol")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        frame(CONTINUATION, b"x"),
        frame(CONTINUATION, b"x", final=False),
        frame(TEXT, SCRAPE) + frame(CONTINUATION, b"x"),
        frame(TEXT, b"{", final=False) + frame(TEXT, b"}"),
        frame(TEXT, b"{", final=False) + frame(BINARY, b"}"),
    ],
)
def test_fragments_have_an_order(data: bytes) -> None:
    """A continuation continues something; a message ends before another begins (5.4)."""

    async def script(_: Service, client: Client) -> None:
        await client.stream.send_all(data)
        while not isinstance(event := await client.next_event(), CloseConnection):
            pass
        assert event.code == 1002

    run(script)


@pytest.mark.parametrize(
    "payload",
    [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82"],
)
@pytest.mark.parametrize("fragmented", [False, True])
def test_text_is_utf8(payload: bytes, fragmented: bool) -> None:
    """Overlong forms, surrogates, what lies beyond U+10FFFF and what is cut short end the connection (8.1)."""
    data = b'{"x":"' + payload + b'"}'
    whole = frame(TEXT, data)
    split = frame(TEXT, data[:7], final=False) + frame(CONTINUATION, data[7:])
    assert closed_with(split if fragmented else whole) == (1007, "protocol")


def test_a_character_may_be_split_between_fragments() -> None:
    """UTF-8 is judged by the message, not by the frame."""

    async def script(_: Service, client: Client) -> None:
        data = msgspec.json.encode({"action": "scrape", "info_hash": "é" * 20})
        at = data.index("é".encode()) + 1
        await client.stream.send_all(frame(TEXT, data[:at], final=False) + frame(CONTINUATION, data[at:]))
        assert "é" * 20 in (await client.receive())["files"]

    run(script)


@pytest.mark.parametrize("code", [None, 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_is_agreed_to(code: int | None) -> None:
    """With the code it came with (7.1.5), or none."""
    answered, reason = closed_with(close(code, b"goodbye" if code else b""))
    assert answered == (code or 1005)
    assert reason == "client"


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_close_codes_that_nobody_sends(code: int) -> None:
    """Some must not be sent, others mean nothing (7.4)."""
    assert closed_with(close(code)) == (1002, "protocol")


def test_a_close_of_one_byte() -> None:
    """A code has two."""
    assert closed_with(frame(CLOSE, b"\x03")) == (1002, "protocol")


def test_a_reason_that_is_not_utf8() -> None:
    """Reasons are texts."""
    assert closed_with(close(1000, b"\xff"))[0] in (1002, 1007)


def test_what_follows_a_close_is_not_looked_at() -> None:
    """A message behind it has no effect."""
    service = make_service()

    async def script(_: Service, client: Client) -> None:
        await client.stream.send_all(close(1000) + frame(TEXT, msgspec.json.encode(announce("late"))))
        assert await client.closed_with() == 1000

    run(script, service)
    assert service.counters.families[4].requests["announce"] == 0


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"x" * 2000),
        frame(BINARY, b"x" * 2000),
        frame(TEXT, b"x" * 900, final=False) + frame(CONTINUATION, b"x" * 900),
        frame(TEXT, b"x" * 1100, final=False),
        frame(TEXT, b"x" * 1100, length=1 << 40, width=8),
    ],
)
def test_messages_and_frames_that_are_too_large(data: bytes) -> None:
    """End the connection as soon as so much has come, whatever was announced."""
    network = NetworkConfig(websocket_max_message_size=1500, websocket_max_frame_size=1024)

    async def script(_: Service, client: Client) -> None:
        await client.stream.send_all(data)
        assert await client.closed_with() == 1009

    assert run(script, make_service(network=network)).counters.closed["too_big"] == 1


def test_messages_of_the_largest_size_are_read() -> None:
    """In one frame or in several."""

    async def script(_: Service, client: Client) -> None:
        padded = SCRAPE.ljust(65536)
        await client.stream.send_all(frame(TEXT, padded))
        assert "files" in await client.receive()
        parts = frame(BINARY, padded[:40000], final=False) + frame(CONTINUATION, padded[40000:])
        await client.stream.send_all(parts)
        assert "files" in await client.receive()

    run(script)


def test_binary_messages_are_answered_in_text() -> None:
    """As everybody reads it."""

    async def script(_: Service, client: Client) -> None:
        await client.send_event(BytesMessage(data=SCRAPE))
        assert INFO_HASH in (await client.receive())["files"]

    run(script)


def test_a_client_that_breaks_off_is_counted() -> None:
    """Without a close, within a message, and nothing is raised."""
    service = make_service()

    async def main() -> None:
        async with opened(service) as client:
            await client.ask(announce("somebody"))
            await client.stream.send_all(frame(TEXT, b"{", final=False))

    trio.run(main)
    assert service.counters.closed["ended"] + service.counters.closed["broken"] == 1
    assert service.tracker.swarm.totals().peers == 0


def test_silence_is_asked_about_and_ended() -> None:
    """A ping after ping_interval, another, and the end after max_connection_idle."""
    service = make_service(cleaning=CleaningConfig(ping_interval=40, max_connection_idle=100))

    async def script(_: Service, client: Client) -> None:
        begun = trio.current_time()
        for seconds in (40, 80):
            assert isinstance(await client.next_event(), Ping)
            assert trio.current_time() - begun == pytest.approx(seconds, abs=1)
        assert await client.stream.receive_some() == b""
        assert trio.current_time() - begun == pytest.approx(100, abs=1)

    assert run(script, service, clock=True).counters.closed["idle"] == 1


@pytest.mark.parametrize("sign", [frame(PONG), frame(PING), frame(TEXT, b"nonsense"), frame(TEXT, b"", final=False)])
def test_every_frame_is_a_sign_of_life(sign: bytes) -> None:
    """However little it says."""
    service = make_service(cleaning=CleaningConfig(ping_interval=50, max_connection_idle=60))

    async def script(_: Service, client: Client) -> None:
        signs = [sign] + [frame(CONTINUATION, final=False) if sign == frame(TEXT, b"", final=False) else sign] * 4
        for data in signs:
            await trio.sleep(40)
            await client.stream.send_all(data)
        await client.stream.send_all(frame(PING, b"still there"))
        while not (isinstance(event := await client.next_event(), Pong) and event.payload == b"still there"):
            assert not isinstance(event, CloseConnection | Ping)

    run(script, service, clock=True)


def test_a_mistake_of_ours_closes_with_1011(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the service runs on; nobody else could cause it."""

    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(service_module, "answer_untrusted", fails)

    async def script(_: Service, client: Client) -> None:
        await client.send({})
        assert await client.closed_with() == 1011

    assert run(script).counters.closed["internal"] == 1


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    """After max_write_time; what others send it meanwhile is dropped, and counted."""
    limits = LimitsConfig(max_memory_mib=64, max_queued_bytes=16384)
    service = make_service(cleaning=CleaningConfig(max_write_time=5), limits=limits)

    async def main() -> None:
        slow, server = trio.testing.lockstep_stream_pair()
        from thalweg_ws.connection import serve_connection

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_connection, service, server, CLIENT)
            client = Client(slow)
            await client.upgrade()
            await client.send(announce("slow"))
            async with opened(service) as other:
                for round_ in range(10):
                    large = [{**offer, "offer": {"sdp": "x" * 3000}} for offer in offers(str(round_))]
                    await other.send(announce("quick", offers=large))
                    while "interval" not in await other.receive():
                        pass
                assert service.queued_bytes <= 2 * 16384
                await trio.sleep(6)
                assert service.counters.closed["write_time"] == 1
                assert "interval" in await other.ask(announce("quick"))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    dropped = service.counters.dropped["offer", "queue"]
    assert dropped > 0
    assert dropped + service.counters.families[4].relayed["offer"] <= 10
    assert service.queued_bytes == 0


def test_random_bytes_never_raise() -> None:
    """Mutated frames are answered, ignored or refused with a close."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    service = make_service()

    async def main() -> None:
        for _ in range(200):
            data = bytearray(b"".join(chance.choices(list(MESSAGES.values()), k=2)))
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            async with connected(service) as stream:
                client = Client(stream)
                await client.upgrade()
                await stream.send_all(bytes(data))
                await stream.send_eof()
                while await stream.receive_some():
                    pass

    trio.run(main)
    counted = {reason: count for reason, count in service.counters.closed.items() if count}
    assert set(counted) <= {"ended", "protocol", "client", "too_big"}, counted
