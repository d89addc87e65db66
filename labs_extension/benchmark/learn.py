"""The trainings: a small convolutional net on MNIST and a larger one on CIFAR-10, by Keras' `fit`."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import layers

from labs_extension.benchmark.augment import shifted
from labs_extension.benchmark.engine import Engine
from labs_extension.benchmark.plan import ITEMS, Scale
from labs_extension.benchmark.timing import measure
from labs_extension.benchmark.work import rate
from labs_extension.clock import Clock
from labs_extension.data import DataMissing, Split, load_cifar10, load_mnist

TARGET = 0.99
PEAK_RATE = 1e-2
NARROW, WIDE = (16, 32, 64), (64, 128, 256)


@dataclass(frozen=True)
class Recipe:
    """How the MNIST net is made and taught.

    Attributes:
        deeper: convolutions more in the last block, where the pictures are small and they cost least.
        epochs: None for the scale's.
        shift: each time it is seen, a picture is moved by up to so many pixels each way.
    """

    deeper: int = 0
    epochs: int | None = None
    shift: int = 0


QUICK: Final = Recipe()
"""To 99 % as soon as possible: 24,000 weights."""

CAREFUL: Final = Recipe(deeper=1, epochs=12, shift=2)
"""As right as a CPU gets in some minutes: 61,000 weights."""


class School:
    """Trains on one device.

    Args:
        data: the folder of the data sets; None for the usual places.
    """

    def __init__(self, engine: Engine, scale: Scale, clock: Clock, data: str | None) -> None:
        self._first = engine.backend == "torch"
        self._scale = scale
        self._clock = clock
        self._data = data

    def training(self) -> dict[str, Any]:
        """Images per second of training the MNIST net, on made-up images: the work is the same."""
        count, batch = self._scale.training, self._scale.batch
        random = np.random.default_rng(0)
        x = self._images(random.integers(0, 256, (count, 28, 28, 1), np.uint8))
        y = random.integers(0, 10, count)
        model = self._model(x.shape[1:], NARROW, steps=10_000, seed=0)
        timing = measure(
            lambda times: self._fit(model, x, y, batch, times),
            self._clock,
            least_seconds=self._scale.least_seconds,
            repetitions=min(self._scale.repetitions, 5),
        )
        return {**rate(timing, count), "unit": "images/s", "size": count, "data": "synthetic"}

    def mnist(self, wanted: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The rows of time to 99 % and of the final accuracy, from the same trainings.

        The time is that of the training, with compiling and without testing, until the first epoch
        after which at least 99 % of the test images are right; the accuracy is that of the last
        epoch, never of the best.
        """
        names = [name for name in ("mnist_time_to_99", "mnist_accuracy") if name in wanted]
        try:
            (x, y), (x_test, y_test) = load_mnist(self._data)
        except DataMissing as error:
            for name in names:
                yield name, {"status": "skipped", "reason": "no_data", "detail": str(error)[:300]}
            return
        limit = self._scale.limit
        train, test = (x[:limit], y[:limit]), (x_test[:limit], y_test[:limit])
        lessons = [self.lesson(train, test, seed) for seed in range(self._scale.seeds)]
        for name in names:
            yield name, {"unit": ITEMS[name].unit, "data": "real", **_ROWS[name](lessons)}

    def cifar10(self) -> dict[str, Any]:
        """Images per second of training on CIFAR-10, or on noise of its shape where it is not."""
        try:
            (x, y), (x_test, y_test) = load_cifar10(self._data)
            real = True
        except DataMissing:
            random = np.random.default_rng(0)
            count = self._scale.training
            x, x_test = (random.integers(0, 256, (n, 32, 32, 3), np.uint8) for n in (count, 10))
            y, y_test = (random.integers(0, 10, n).astype(np.uint8) for n in (count, 10))
            real = False
        limit, batch = self._scale.limit, 2 * self._scale.batch
        images, labels = self._images(x[:limit]), y[:limit]
        steps = -(-len(labels) // batch) * self._scale.cifar_epochs
        model = self._model(images.shape[1:], WIDE, steps, seed=0)
        # The first pass compiles; one batch is enough for that.
        first = self._seconds(model, images[:batch], labels[:batch], batch)
        times = [
            self._seconds(model, images, labels, batch) for _ in range(self._scale.cifar_epochs)
        ]
        row: dict[str, Any] = {
            "status": "ok",
            "unit": "images/s",
            "value": len(labels) / statistics.median(times),
            "median_s": statistics.median(times),
            "repetitions": len(times),
            "first_call_s": first,
            "size": len(labels),
            "data": "real" if real else "synthetic",
        }
        if real:
            row["accuracy"] = _right(model, self._images(x_test[:limit]), y_test[:limit])
        return row

    def lesson(
        self, train: Split, test: Split, seed: int, recipe: Recipe = QUICK
    ) -> tuple[float | None, float]:
        """One training on MNIST: seconds to the target (None: not reached), accuracy at the end.

        Args:
            train: images `(n, 28, 28)` and labels `(n,)` of bytes.
            test: the same, to test with.
            seed: of the weights, of the order of the images and of how they are moved.
            recipe: what is taught, and how.
        """
        (images, y), (images_test, y_test) = train, test
        x_test = self._images(images_test[..., None])
        batch, epochs = self._scale.batch, recipe.epochs or self._scale.epochs
        steps = -(-len(y) // batch) * epochs
        model = self._model(x_test.shape[1:], NARROW, steps, seed, recipe.deeper)
        random = np.random.default_rng(seed)
        spent, reached, accuracy = 0.0, None, 0.0
        for _ in range(epochs):
            begun = self._clock.monotonic()
            x = self._images(shifted(images, recipe.shift, random)[..., None])
            spent += self._clock.monotonic() - begun + self._seconds(model, x, y, batch)
            accuracy = _right(model, x_test, y_test)
            if reached is None and accuracy >= TARGET:
                reached = spent
        return reached, accuracy

    def _seconds(self, model: Any, x: Any, y: Any, batch: int) -> float:
        begun = self._clock.monotonic()
        self._fit(model, x, y, batch, 1)
        return self._clock.monotonic() - begun

    def _fit(self, model: Any, x: Any, y: Any, batch: int, epochs: int) -> None:
        # It returns after the loss of the last batch was read, so it needs no waiting for.
        model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)

    def _model(
        self,
        shape: tuple[int, ...],
        widths: tuple[int, ...],
        steps: int,
        seed: int,
        deeper: int = 0,
    ) -> Any:
        keras.utils.set_random_seed(seed)
        inputs = x = keras.Input(shape)
        for number, width in enumerate((*widths, *widths[-1:] * deeper)):
            if 0 < number < len(widths):
                x = layers.MaxPooling2D()(x)
            x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(axis=1 if self._first else -1)(x)
            x = layers.ReLU()(x)
        x = layers.GlobalMaxPooling2D()(x)
        x = layers.Rescaling(0.25)(layers.Dense(10, use_bias=False)(x))
        model = keras.Model(inputs, x)
        warm = max(1, steps // 5)
        pace = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm), warmup_target=PEAK_RATE, warmup_steps=warm
        )
        model.compile(
            keras.optimizers.AdamW(pace, weight_decay=1e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    def _images(self, images: Any) -> Any:
        scaled = (images.astype(np.float32) / 255 - 0.5) * 2
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)) if self._first else scaled


def _right(model: Any, x: Any, y: Any) -> float:
    logits = model.predict(x, batch_size=1000, verbose=0)
    return float(np.mean(np.argmax(logits, axis=1) == y))


def _time_to_target(lessons: list[tuple[float | None, float]]) -> dict[str, Any]:
    times = [reached for reached, _ in lessons]
    row = {"samples": times, "repetitions": len(times)}
    if None in times:
        best = max(accuracy for _, accuracy in lessons)
        return {**row, "status": "failed", "reason": "not_reached", "accuracy": best}
    return {
        **row,
        "status": "ok",
        "value": statistics.median(one for one in times if one is not None),
    }


def _final_accuracy(lessons: list[tuple[float | None, float]]) -> dict[str, Any]:
    found = [accuracy for _, accuracy in lessons]
    return {
        "status": "ok",
        "value": statistics.mean(found),
        "samples": found,
        "repetitions": len(found),
    }


_ROWS = {"mnist_time_to_99": _time_to_target, "mnist_accuracy": _final_accuracy}
