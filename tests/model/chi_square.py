"""Chi-square tests of random samples drawn without replacement.

A request draws k of n peers. If every k-subset is equally likely and requests are independent, then after N requests

* the number of times that each peer was drawn has covariance N·p·(1-p)·n/(n-1)·(I - J/n) with p = k/n, so the scaled
  sum of squared deviations follows chi-square with n-1 degrees of freedom;
* the number of times that each pair was drawn together, freed of what the single peers explain, has variance
  N·(p2 - 2·p3 + p4) in every direction (pj: probability that j given peers are all drawn; the eigenspaces of the
  Johnson scheme), so it follows chi-square with m·(m-3)/2 degrees of freedom for any m of the n peers.

Both tails count: drawing in turn is too even to be random.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

SUSPICIOUS = 1e-6


def p_value(statistic: float, degrees: int) -> float:
    """Give the two-sided probability of a chi-square value at least this odd (Wilson and Hilferty's cube root)."""
    width = 2 / (9 * degrees)
    z = ((statistic / degrees) ** (1 / 3) - (1 - width)) / math.sqrt(width)
    return math.erfc(abs(z) / math.sqrt(2))


class Tally:
    """Which of `peers` each request drew: one bit for each request and peer."""

    def __init__(self, peers: Sequence[bytes], requests: int) -> None:
        """Prepare for that many requests."""
        self.requests = requests
        self.columns = {peer: bytearray(requests // 8 + 1) for peer in peers}

    def add(self, request: int, drawn: Iterable[bytes]) -> None:
        """Note the peers that one request drew."""
        byte, bit = request >> 3, 1 << (request & 7)
        for peer in drawn:
            self.columns[peer][byte] |= bit

    def p_of_singles(self, drawn: int) -> float:
        """Give the p-value of "each peer is drawn equally often", for requests of `drawn` peers."""
        n = len(self.columns)
        expected = self.requests * drawn / n
        deviations = sum((int.from_bytes(column).bit_count() - expected) ** 2 for column in self.columns.values())
        return p_value(deviations / expected * (n - 1) / (n - drawn), n - 1)

    def p_of_pairs(self, drawn: int, among: int = 300) -> float:
        """Give the p-value of "each pair is drawn equally often", for pairs of the first `among` peers."""
        n = len(self.columns)
        columns = [int.from_bytes(column) for column in list(self.columns.values())[:among]]
        m = len(columns)
        together = {
            (i, j): (columns[i] & columns[j]).bit_count() - self.requests * chance(2, drawn, n)
            for i, j in combinations(range(m), 2)
        }
        single = explained_by_singles(together, m)
        rest = sum((value - single[i] - single[j]) ** 2 for (i, j), value in together.items())
        variance = self.requests * (chance(2, drawn, n) - 2 * chance(3, drawn, n) + chance(4, drawn, n))
        return p_value(rest / variance, m * (m - 3) // 2)


def chance(together: int, drawn: int, n: int) -> float:
    """Give the probability that `together` given peers are all among the `drawn` of n."""
    return math.comb(n - together, drawn - together) / math.comb(n, drawn) if drawn >= together else 0.0


def explained_by_singles(together: dict[tuple[int, int], float], m: int) -> list[float]:
    """Give the least-squares a of together[i, j] = a[i] + a[j]."""
    sums = [0.0] * m
    for (i, j), value in together.items():
        sums[i] += value
        sums[j] += value
    share = sum(sums) / 2 / (m - 1)
    return [(total - share) / (m - 2) for total in sums]
