"""What is timed, but for the training: products, copies and a convolution, in `keras.ops`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from labs_extension.benchmark.engine import Engine
from labs_extension.benchmark.plan import CPU, ITEMS, Scale
from labs_extension.benchmark.timing import Timing, measure
from labs_extension.clock import Clock

DTYPES = {"fp32": "float32", "tf32": "float32", "fp16": "float16", "bf16": "bfloat16"}

TOLERANCES = {"fp32": 1e-4, "tf32": 5e-3, "fp16": 5e-3, "bf16": 3e-2}
"""The largest error of a product's element, as a share of their root mean square. `fp32` is far
below what TF32 reaches (about 1e-3), so a TF32 that was left on is noticed."""

PROBE = 8


def rate(timing: Timing, amount: float) -> dict[str, Any]:
    """A row's figures: `amount` per second, and the times it comes from."""
    return {
        "status": "ok",
        "value": amount / timing.median,
        "median_s": timing.median,
        "iqr_s": timing.iqr,
        "repetitions": timing.repetitions,
        "count": timing.count,
        "first_call_s": timing.first,
    }


class Bench:
    """Times things on one device."""

    def __init__(self, engine: Engine, scale: Scale, device: str, clock: Clock) -> None:
        self._engine = engine
        self._scale = scale
        self._which = 1 if device == CPU else 0
        self._clock = clock

    def run(self, name: str) -> dict[str, Any]:
        """The row of the item `name`, without its name and its device."""
        if name.startswith("matmul_"):
            return self.matmul(name.removeprefix("matmul_"))
        items: dict[str, Callable[[], dict[str, Any]]] = {
            "memory_copy": self.memory_copy,
            "host_to_device": self.host_to_device,
            "device_to_host": self.device_to_host,
            "convolution": self.convolution,
        }
        return {"unit": ITEMS[name].unit, **items[name]()}

    def matmul(self, precision: str) -> dict[str, Any]:
        """`n` x `n` times `n` x `n`: 2 n^3 operations, and how far off the result is."""
        n = self._scale.matmul[self._which]
        random = np.random.default_rng(0)
        host = [random.standard_normal((n, n), np.float32) for _ in range(2)]
        with self._engine.precision(precision), self._engine.without_gradients():
            a, b = (ops.cast(ops.convert_to_tensor(one), DTYPES[precision]) for one in host)
            timing = self._time(lambda: ops.matmul(a, b))
            seen = ops.convert_to_numpy(ops.cast(ops.matmul(a, b)[:PROBE, :PROBE], "float32"))
        wanted = host[0][:PROBE].astype(np.float64) @ host[1][:, :PROBE].astype(np.float64)
        error = float(np.max(np.abs(seen - wanted)) / np.sqrt(np.mean(wanted**2)))
        row = {
            "unit": "TFLOP/s",
            **rate(timing, 2 * n**3 / 1e12),
            "size": n,
            "relative_error": error,
        }
        if not error <= TOLERANCES[precision]:
            return {
                **row,
                "status": "invalid",
                "reason": "wrong_numbers",
                "relative_error": min(error, 1e9),
            }
        return row

    def memory_copy(self) -> dict[str, Any]:
        """`y = x + 1` over more than a cache holds: each number is read once and written once."""
        size = self._scale.copy_bytes[self._which]
        x = ops.zeros((size // 4,), "float32")
        with self._engine.without_gradients():
            return {**rate(self._time(lambda: x + 1.0), 2 * size / 1e9), "size": size}

    def host_to_device(self) -> dict[str, Any]:
        """From NumPy to the device."""
        size = self._scale.copy_bytes[self._which]
        host = np.ones((size // 4,), np.float32)
        return {**rate(self._time(lambda: ops.convert_to_tensor(host)), size / 1e9), "size": size}

    def device_to_host(self) -> dict[str, Any]:
        """From the device to NumPy. Each time another tensor: JAX keeps what it has handed out."""
        size = self._scale.copy_bytes[self._which]
        x = ops.zeros((size // 4,), "float32")
        fresh: list[Any] = []

        def prepare() -> None:
            fresh[:] = [x + 1.0]
            self._engine.finish(fresh)

        timing = measure(
            lambda _count: self._read(fresh),
            self._clock,
            least_seconds=0,
            repetitions=self._scale.repetitions,
            prepare=prepare,
        )
        return {**rate(timing, size / 1e9), "size": size}

    def convolution(self) -> dict[str, Any]:
        """Images of 100 x 100 x 3 under 32 filters of 7 x 7, forward, exact single precision."""
        n = self._scale.convolution
        first = self._engine.backend == "torch"
        shape = (n, 3, 100, 100) if first else (n, 100, 100, 3)
        random = np.random.default_rng(0)
        x = ops.convert_to_tensor(random.standard_normal(shape, np.float32))
        kernel = ops.convert_to_tensor(random.standard_normal((7, 7, 3, 32), np.float32))
        operations = 2 * n * 94 * 94 * 32 * 7 * 7 * 3
        with self._engine.precision("fp32"), self._engine.without_gradients():
            timing = self._time(lambda: ops.conv(x, kernel, padding="valid"))
        return {**rate(timing, operations / 1e12), "size": n}

    def _read(self, tensors: list[Any]) -> None:
        # A copy: a backend may hand out the device's own memory, and then nothing was moved.
        np.array(ops.convert_to_numpy(tensors[0]), copy=True)

    def _time(self, once: Callable[[], Any]) -> Timing:
        def run(count: int) -> None:
            # Ten at a time: each result takes memory until it has been waited for.
            while count > 0:
                part = min(count, 10)
                self._engine.finish([once() for _ in range(part)])
                count -= part

        return measure(
            run,
            self._clock,
            least_seconds=self._scale.least_seconds,
            repetitions=self._scale.repetitions,
        )
