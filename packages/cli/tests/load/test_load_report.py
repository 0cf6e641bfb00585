"""Percentiles and the report's numbers."""

import itertools

import pytest
from thalweg.load_report import bucket_end, latencies
from thalweg_common._core import lib


def test_buckets_are_narrow_and_without_gaps() -> None:
    """Each bucket ends above the last, and no more than a 32nd above where it begins."""
    ends = [bucket_end(index) for index in range(lib.TW_LOAD_BUCKETS)]
    assert ends[:33] == list(range(1, 34))
    for begin, end in itertools.pairwise(ends[32:]):
        assert 0 < end - begin <= begin / 32
    assert ends[-1] == 2**36


def test_quantiles_are_the_ends_of_their_buckets() -> None:
    """Of 1000 replies: 989 fast, 10 slow, 1 very slow."""
    histogram = [0] * lib.TW_LOAD_BUCKETS
    histogram[100], histogram[200], histogram[300] = 989, 10, 1
    ends = {index: bucket_end(index) / 1000 for index in (100, 200, 300)}
    assert latencies(histogram) == {
        "p50": ends[100],
        "p90": ends[100],
        "p99": ends[200],
        "p99.9": ends[200],
        "max": ends[300],
    }


def test_no_replies_have_no_quantiles() -> None:
    """An empty histogram gives nothing rather than zeros."""
    assert latencies([0] * lib.TW_LOAD_BUCKETS) == {}


def test_bucket_ends_are_what_the_generator_counts_in() -> None:
    """A few latencies by hand, in nanoseconds."""
    assert bucket_end(31) == 32
    assert bucket_end(32) == pytest.approx(33)
    assert bucket_end(64) == 66
