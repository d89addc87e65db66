"""Pictures are moved whole, by no more than was said, and each by its own."""

from __future__ import annotations

import numpy as np

from labs_extension.benchmark.augment import shifted


def dots(count: int, row: int, column: int) -> np.ndarray:
    """So many pictures of 8 x 6 with one bright pixel."""
    images = np.zeros((count, 8, 6), np.uint8)
    images[:, row, column] = 255
    return images


def test_each_picture_is_moved_by_up_to_so_many_pixels_each_way():
    moved = shifted(dots(500, 4, 3), 2, np.random.default_rng(0))
    assert (moved.shape, moved.dtype) == ((500, 8, 6), np.uint8)
    assert set(moved.sum((1, 2)).tolist()) == {255}
    places = {(int(row), int(column)) for _, row, column in np.argwhere(moved)}
    assert places == {(row, column) for row in range(2, 7) for column in range(1, 6)}


def test_what_goes_over_the_edge_is_gone_and_does_not_come_in_on_the_other_side():
    moved = shifted(dots(500, 0, 0), 1, np.random.default_rng(0))
    places = {(int(row), int(column)) for _, row, column in np.argwhere(moved)}
    assert places == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert {int(one.max()) for one in moved} == {0, 255}


def test_the_same_seed_moves_the_same_and_another_does_not():
    one, again, other = (
        shifted(dots(50, 4, 3), 2, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert (one == again).all()
    assert (one != other).any()


def test_nothing_is_moved_by_nothing():
    images = dots(3, 1, 1)
    assert shifted(images, 0, np.random.default_rng(0)) is images
