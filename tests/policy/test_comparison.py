"""The middle of a class: what is told, and of whom nothing is."""

from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st

from gpuspawner.policy.comparison import LEAST, Measured, Middle, middles

T4 = Measured("matmul_fp32", "gpu", "Tesla T4")
L4 = Measured("matmul_fp32", "gpu", "NVIDIA L4")


def test_the_median_of_three_is_told_and_of_two_nothing() -> None:
    three = [(T4, 7.0), (T4, 1.0), (T4, 6.0)]
    assert middles(three) == [Middle(T4, 6.0, 3)]
    assert middles(three[:2]) == []


def test_an_even_number_has_the_mean_of_the_middle_two() -> None:
    assert middles([(T4, value) for value in (4.0, 1.0, 2.0, 100.0)]) == [Middle(T4, 3.0, 4)]


def test_different_things_are_never_put_together() -> None:
    on_the_cpu = Measured("matmul_fp32", "cpu", "Tesla T4")
    figures = [(what, 5.0) for what in (T4, L4, on_the_cpu) for _ in range(2)]
    assert middles(figures) == []
    assert middles([*figures, (L4, 8.0)]) == [Middle(L4, 5.0, 3)]


@given(st.lists(st.floats(min_value=1e-9, max_value=1e12), max_size=40))
def test_one_who_lies_moves_the_median_no_further_than_to_a_neighbour(values: list[float]) -> None:
    lying = [*values, 1e12]
    found = middles([(T4, one) for one in lying])
    if len(lying) < LEAST:
        assert found == []
    else:
        assert found == [Middle(T4, statistics.median(lying), len(lying))]
        assert min(values) <= found[0].median <= max(values)
