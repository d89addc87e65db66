"""What each notebook begins with: the backend, the plots, the dice."""

from __future__ import annotations

import importlib.util
import os

from labs_extension.benchmark.plan import BACKENDS
from labs_extension.lesson.plots import draw_korean

QUICK = bool(os.environ.get("QUICK"))
"""Whether to show only that everything works, within seconds: `QUICK=1`."""


def backends() -> list[str]:
    """Keras' backends that are installed here."""
    return [name for name in BACKENDS if importlib.util.find_spec(name) is not None]


def start(seed: int = 0) -> str:
    """Choose Keras' backend, throw the dice always alike, and have plots draw Korean.

    Args:
        seed: of all random numbers, so that two runs of a notebook are the same.

    Returns:
        The backend's name: that of `KERAS_BACKEND`, else the first that is installed.

    Raises:
        ModuleNotFoundError: Keras or all of its backends are missing.
    """
    installed = backends()
    if not installed:
        raise ModuleNotFoundError("Keras needs one of jax, torch and tensorflow: pip install torch")
    os.environ.setdefault("KERAS_BACKEND", installed[0])
    # JAX would take three quarters of the GPU at once, and the next notebook would find none.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    draw_korean()
    import keras  # noqa: PLC0415 - only now is its backend chosen

    keras.utils.set_random_seed(seed)
    return str(keras.config.backend())


def devices() -> list[str]:
    """Where Keras can compute: `cpu:0`, and `gpu:0` where its backend sees a GPU."""
    from labs_extension.benchmark.engine import gpus  # noqa: PLC0415 - imports Keras

    return ["cpu:0", *(["gpu:0"] if gpus() else [])]
