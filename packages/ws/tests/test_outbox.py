"""What waits for a client: in order, bounded, and the lightest dropped first."""

import random

import pytest
import trio
import trio.testing
from thalweg_ws.outbox import Kind, Outbox


def taken(outbox: Outbox, most: int = 1 << 20) -> list[bytes]:
    """The frames that wait."""

    async def take() -> list[bytes]:
        return [waiting.frame for waiting in await outbox.take(most)]

    frames = trio.run(take)
    outbox.done()
    return frames


def test_frames_come_in_order() -> None:
    """Of whatever kind, as many as are wanted at a time, one at least."""
    outbox = Outbox(100)
    for kind, frame in (("offer", b"1"), ("failure", b"22"), ("answer", b"333")):
        assert outbox.put(kind, frame) == []  # type: ignore[arg-type]
    assert outbox.size == 6
    assert taken(outbox, 2) == [b"1", b"22"]
    assert taken(outbox, 1) == [b"333"]
    assert outbox.size == 0


@pytest.mark.parametrize(
    ("kind", "dropped", "left"),
    [
        ("offer", ["offer"], [b"offer", b"answer", b"scrape"]),
        ("answer", ["offer"], [b"answer", b"scrape", b"x" * 5]),
        ("announce", ["offer"], [b"answer", b"scrape", b"x" * 5]),
        ("control", ["offer"], [b"answer", b"scrape", b"x" * 5]),
    ],
)
def test_the_lightest_makes_room(kind: Kind, dropped: list[Kind], left: list[bytes]) -> None:
    """Offers for anything but offers."""
    outbox = Outbox(17)
    for waiting in ("offer", "answer", "scrape"):
        outbox.put(waiting, waiting.encode())
    assert outbox.put(kind, b"x" * 5) == dropped
    assert taken(outbox) == left


def test_replies_go_last() -> None:
    """Where neither offers nor answers are left, a reply is dropped itself."""
    outbox = Outbox(20)
    for kind, frame in (("offer", b"o" * 5), ("answer", b"a" * 5), ("announce", b"r" * 10)):
        outbox.put(kind, frame)  # type: ignore[arg-type]
    assert outbox.put("scrape", b"s" * 10) == ["offer", "answer"]
    assert outbox.put("failure", b"f") == ["failure"]
    assert taken(outbox) == [b"r" * 10, b"s" * 10]


def test_what_is_being_sent_counts() -> None:
    """Until it is done; it is never dropped."""
    outbox = Outbox(10)
    outbox.put("offer", b"o" * 8)
    trio.run(outbox.take, 100)
    assert outbox.put("announce", b"r" * 3) == ["announce"]
    outbox.done()
    assert outbox.put("announce", b"r" * 3) == []


def test_waiting_for_a_frame_and_for_the_end() -> None:
    """take() waits; after close() it gives what is left, then nothing."""

    async def main() -> None:
        outbox = Outbox(10)
        found: list[int] = []

        async def take() -> None:
            while waiting := await outbox.take(100):
                found.append(len(waiting))
                outbox.done()

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(take)
                await trio.testing.wait_all_tasks_blocked()
                outbox.put("offer", b"1")
                await trio.testing.wait_all_tasks_blocked()
                assert found == [1]
                outbox.put("offer", b"2")
                outbox.close()
        assert found == [1, 1]

    trio.run(main)


def test_it_never_holds_more_than_its_limit() -> None:
    """Every frame is either given or named as dropped."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    kinds: list[Kind] = ["offer", "answer", "announce", "failure", "control"]
    outbox, put, dropped, given = Outbox(100), 0, 0, 0
    for _ in range(2000):
        if chance.random() < 0.2:
            dropped += len(outbox.put("control", b"c"))
            put += 1
            given += len(taken(outbox, chance.randint(1, 100)))
        dropped += len(outbox.put(chance.choice(kinds), b"x" * chance.randint(1, 60)))
        put += 1
        assert outbox.size <= 100
    while outbox.size:
        given += len(taken(outbox))
    assert given + dropped == put
