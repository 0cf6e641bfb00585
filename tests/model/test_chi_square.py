"""The judge of randomness is judged: a fair sampler passes it, three well-known unfair ones fail."""

import random
from collections.abc import Callable

import pytest

from .chi_square import SUSPICIOUS, Tally, p_value

PEERS = [bytes([number]) for number in range(100)]
REQUESTS = 100_000
DRAWN = 8

Sampler = Callable[[random.Random, int], list[bytes]]


def fair(dice: random.Random, _request: int) -> list[bytes]:
    """Every subset is equally likely."""
    return dice.sample(PEERS, DRAWN)


def slightly_weighted(dice: random.Random, _request: int) -> list[bytes]:
    """One peer in a hundred gives way half of the time."""
    drawn = dice.sample(PEERS, DRAWN + 1)
    if PEERS[0] in drawn and dice.random() < 0.5:
        drawn.remove(PEERS[0])
    return drawn[:DRAWN]


def one_run(dice: random.Random, _request: int) -> list[bytes]:
    """Neighbours come together: singles are even, pairs are not."""
    start = dice.randrange(100)
    return [PEERS[(start + step) % 100] for step in range(DRAWN)]


def in_turn(_dice: random.Random, request: int) -> list[bytes]:
    """Everybody's turn comes: more even than chance."""
    return [PEERS[(request * DRAWN + step) % 100] for step in range(DRAWN)]


def tally(sampler: Sampler) -> Tally:
    """Draw from a sampler in Python."""
    dice, result = random.Random(18), Tally(PEERS, REQUESTS)
    for request in range(REQUESTS):
        result.add(request, sampler(dice, request))
    return result


def test_a_fair_sampler_passes() -> None:
    """Neither singles nor pairs of Python's own sample are suspicious."""
    result = tally(fair)
    assert result.p_of_singles(DRAWN) > SUSPICIOUS
    assert result.p_of_pairs(DRAWN) > SUSPICIOUS


@pytest.mark.parametrize("sampler", [slightly_weighted, in_turn])
def test_uneven_singles_fail(sampler: Sampler) -> None:
    """A peer that is drawn too rarely, and peers drawn in turn, are noticed."""
    assert tally(sampler).p_of_singles(DRAWN) < SUSPICIOUS


def test_uneven_pairs_fail() -> None:
    """Runs of neighbours are even for singles, and only the pairs give them away."""
    result = tally(one_run)
    assert result.p_of_singles(DRAWN) > SUSPICIOUS
    assert result.p_of_pairs(DRAWN) < SUSPICIOUS


@pytest.mark.parametrize(
    ("statistic", "degrees", "tail"), [(123.225, 99, 0.05), (135.807, 99, 0.008), (16.919, 9, 0.05), (27.877, 9, 0.001)]
)
def test_p_values_match_tables(statistic: float, degrees: int, tail: float) -> None:
    """The approximation is close to published tables (twice the tail, as both sides count)."""
    assert p_value(statistic, degrees) == pytest.approx(2 * tail, rel=0.1)
