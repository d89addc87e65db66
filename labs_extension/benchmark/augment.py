"""Pictures that are never seen twice the same, so that a net learns what they show."""

from __future__ import annotations

from typing import Any

import numpy as np


def shifted(images: Any, most: int, random: np.random.Generator) -> Any:
    """Each of the images `(n, height, width)` moved by up to `most` pixels each way; 0 comes in."""
    if not most:
        return images
    count, *size = images.shape
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(1, 2))
    down, right = random.integers(0, 2 * most + 1, (2, count))
    return windows[np.arange(count), down, right]
