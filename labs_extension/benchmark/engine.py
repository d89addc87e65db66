"""The few things that Keras' three backends do differently. Imports Keras: in a worker only."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

NAMES = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}


class Engine:
    """The backend that Keras was started with. One device of each kind is used: the first."""

    def __init__(self) -> None:
        self.backend: str = keras.config.backend()
        self._module = importlib.import_module(NAMES[self.backend])
        # Three times as fast on PyTorch, whose own order it is.
        order = "channels_first" if self.backend == "torch" else "channels_last"
        keras.config.set_image_data_format(order)

    def gpus(self) -> list[str]:
        """The GPUs that the backend sees, in its own words."""
        return gpus()

    def versions(self) -> dict[str, str | None]:
        """What this was measured with."""
        # A framework's package may have another name, such as tensorflow-cpu.
        found: dict[str, str | None] = {
            "keras": keras.__version__,
            self.backend: str(self._module.__version__),
        }
        for name in ("jaxlib", "numpy", "nvidia-cudnn-cu12"):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[name] = importlib.metadata.version(name)
        return found

    @contextlib.contextmanager
    def precision(self, name: str) -> Iterator[None]:
        """Single-precision products are computed as `tf32` or, with any other name, exactly."""
        fast = name == "tf32"
        if self.backend == "jax":
            with self._module.default_matmul_precision("tensorfloat32" if fast else "highest"):
                yield
        elif self.backend == "torch":
            torch = self._module
            before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
            torch.set_float32_matmul_precision("high" if fast else "highest")
            torch.backends.cudnn.allow_tf32 = fast
            try:
                yield
            finally:
                torch.set_float32_matmul_precision(before[0])
                torch.backends.cudnn.allow_tf32 = before[1]
        else:
            config = self._module.config.experimental
            before = config.tensor_float_32_execution_enabled()
            config.enable_tensor_float_32_execution(fast)
            try:
                yield
            finally:
                config.enable_tensor_float_32_execution(before)

    def finish(self, outputs: Sequence[Any]) -> float:
        """Return when all `outputs` are computed: reads one number of each, in one transfer.

        A backend that computes later, or several things at once, cannot be read before it has.
        """
        # In single precision: TensorFlow does not hand out a bfloat16.
        numbers = [ops.cast(one[(0,) * len(one.shape)], "float32") for one in outputs]
        return float(ops.convert_to_numpy(ops.sum(ops.stack(numbers))))

    def without_gradients(self) -> contextlib.AbstractContextManager[Any]:
        """Do not keep what a backward pass would need."""
        if self.backend == "torch":
            manager: contextlib.AbstractContextManager[Any] = self._module.no_grad()
            return manager
        return contextlib.nullcontext()


def gpus() -> list[str]:
    """The GPUs that Keras' backend sees, in its own words."""
    backend = keras.config.backend()
    module = importlib.import_module(NAMES[backend])
    if backend == "torch":
        return [module.cuda.get_device_name(one) for one in range(module.cuda.device_count())]
    if backend == "tensorflow":
        return [one.name for one in module.config.list_physical_devices("GPU")]
    return [str(one) for one in module.devices() if one.platform in {"gpu", "cuda"}]
