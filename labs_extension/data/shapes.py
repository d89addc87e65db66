"""Pictures that are made, not found: ten shapes in colour, for where there is no data set.

They are drawn from a formula and a seed, so they need no file, no network and no licence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labs_extension.data.formats import Array

SHAPES = (
    "circle",
    "square",
    "triangle",
    "cross",
    "ring",
    "star",
    "bar",
    "half",
    "frame",
    "dots",
)
"""The names of the labels."""

SIZE = 32
_LEAST_CONTRAST = 0.35
_NOISE = 0.04


def make_shapes(
    count: int, seed: int, classes: Sequence[int] = tuple(range(len(SHAPES)))
) -> tuple[Array, Array]:
    """Draw `count` pictures of shapes, each turned, moved, sized and coloured by chance.

    Args:
        count: how many; the classes take turns, so all are equally frequent.
        seed: the same one draws the same pictures.
        classes: which of `SHAPES`, by number.

    Returns:
        Images `(count, 32, 32, 3)` and labels `(count,)`, both of bytes, in random order.
    """
    random = np.random.default_rng(seed)
    labels = random.permutation(np.resize(np.asarray(classes, np.uint8), count))
    images = np.empty((count, SIZE, SIZE, 3), np.float32)
    for label in np.unique(labels):
        which = np.flatnonzero(labels == label)
        x, y = _grids(len(which), random)
        # Half a pixel of softness at the rim, as a camera sees it.
        inside = 1 / (1 + np.exp(np.clip(_distance(SHAPES[label], x, y) * SIZE, -30, 30)))
        images[which] = _coloured(inside, random)
    images += random.normal(0, _NOISE, images.shape)
    return np.clip(images * 255, 0, 255).astype(np.uint8), labels


def _grids(count: int, random: np.random.Generator) -> tuple[NDArray[np.floating], ...]:
    """The coordinates of each pixel in the shape's own frame, where its radius is 1."""
    line = np.linspace(-1, 1, SIZE)
    down, across = np.meshgrid(line, line, indexing="ij")
    angle, size, left, top = (
        random.uniform(low, high, (count, 1, 1))
        for low, high in ((0, 2 * np.pi), (0.5, 0.8), (-0.2, 0.2), (-0.2, 0.2))
    )
    a, b = (across - left) / size, (down - top) / size
    return a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)


def _distance(name: str, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far each point is outside the shape's rim, negative inside; about right is enough."""
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    box = np.maximum(np.abs(x), np.abs(y))
    bar = np.maximum(np.abs(x) - 1, np.abs(y) - 0.28)
    upright = np.maximum(np.abs(x) - 0.28, np.abs(y) - 1)
    found: NDArray[np.floating] = {
        "circle": radius - 0.85,
        "square": box - 0.75,
        "triangle": np.max(
            [x * np.cos(t) + y * np.sin(t) for t in (0.0, 2 * np.pi / 3, 4 * np.pi / 3)], axis=0
        )
        - 0.48,
        "cross": np.minimum(bar, upright),
        "ring": np.abs(radius - 0.72) - 0.2,
        "star": radius - 0.68 * (1 + 0.42 * np.cos(5 * angle)),
        "bar": bar,
        "half": np.maximum(radius - 0.95, y),
        "frame": np.abs(box - 0.68) - 0.18,
        "dots": np.hypot(np.abs(x) - 0.55, y) - 0.38,
    }[name]
    return found


def _coloured(inside: NDArray[np.floating], random: np.random.Generator) -> NDArray[np.floating]:
    """A colour within, and another, different enough, without."""
    count = len(inside)
    behind = random.uniform(0, 1, (count, 1, 1, 3))
    away = np.where(behind > 0.5, -1.0, 1.0)
    # One of the three colours differs for certain, the others by chance.
    certain = np.eye(3)[random.integers(0, 3, count)].reshape(count, 1, 1, 3)
    far = random.uniform(_LEAST_CONTRAST, 1.0, behind.shape)
    near = random.uniform(-0.3, 1.0, behind.shape)
    shape = behind + away * np.where(certain > 0, far, near) * np.maximum(behind, 1 - behind)
    mixed: NDArray[np.floating] = behind + inside[..., None] * (np.clip(shape, 0, 1) - behind)
    return mixed
