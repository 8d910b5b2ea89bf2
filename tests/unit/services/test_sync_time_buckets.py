"""Percentiles from buckets against percentiles from the sorted list."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.services.sync_times import GROWTH, bucket_of, percentile

TIMES = st.lists(st.floats(min_value=-1e4, max_value=5e10, allow_nan=False), min_size=1, max_size=200)


@given(TIMES, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_never_too_low_and_at_most_a_tenth_too_high(times: list[float], share: float) -> None:
    exact = max(sorted(times)[math.ceil(share * len(times)) - 1], 0)
    found = percentile(Counter(map(bucket_of, times)), share)
    assert exact < found or exact == found == 0
    assert found <= max(math.ceil(exact * GROWTH), 1)


@given(st.integers(min_value=0, max_value=250))
def test_a_bound_belongs_to_the_next_bucket(n: int) -> None:
    assert bucket_of(GROWTH**n) == n + 1
    assert bucket_of(math.nextafter(GROWTH**n, 0)) <= n


@pytest.mark.parametrize(("taken", "bucket"), [(-5, 0), (0, 0), (0.99, 0), (1, 1), (1.05, 1), (1.1, 2), (1e99, 260)])
def test_odd_times_have_a_bucket(taken: float, bucket: int) -> None:
    assert bucket_of(taken) == bucket


def test_nothing_counted_takes_no_time() -> None:
    assert percentile({}, 0.99) == 0
