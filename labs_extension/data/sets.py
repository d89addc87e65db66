"""Finds and loads the data sets, in any of the formats that they are handed around in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from labs_extension.data import formats
from labs_extension.data.formats import Array, WrongFile
from labs_extension.data.places import DataMissing, folders, keras_folder

Split: TypeAlias = tuple[Array, Array]
DataSet: TypeAlias = tuple[Split, Split]
Read: TypeAlias = Callable[[Path], DataSet]

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
"""The names of CIFAR-10's labels."""

MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar.html"

MNIST_FILES = {
    "train-images-idx3-ubyte": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "train-labels-idx1-ubyte": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "t10k-images-idx3-ubyte": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "t10k-labels-idx1-ubyte": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
"""SHA-256 of the numbers alone, computed from the original files (whose MD5 are published)."""

CIFAR10_BINARY = (
    "cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9dddda3db29a59bca1dd",
)
CIFAR10_PYTHON = (
    "cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)
"""SHA-256 of the archives; that of the Python one is in Keras' source as well."""

CIFAR10_BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""MD5 of the unpacked Python batches, as in torchvision's source (`datasets/cifar.py`)."""


def load_mnist(folder: str | Path | None = None, *, download: bool = True) -> DataSet:
    """MNIST: images `(n, 28, 28)` and labels `(n,)` of bytes; 60,000 to train, 10,000 to test.

    Four IDX files, gzipped or not, or Keras' `mnist.npz`.

    Args:
        folder: look here only.
        download: let Keras fetch it when it is nowhere and Keras is installed.

    Raises:
        DataMissing: it is not to be had; the text says how to get it.
    """
    found, looked = _find(
        folder, "mnist", [("train-images-idx3-ubyte*", _mnist_idx), ("mnist.npz", _mnist_npz)]
    )
    if found is None and download and folder is None:
        found = _from_keras("mnist", "mnist.npz", looked)
    if found is None:
        raise DataMissing("MNIST", looked, [f"{name}.gz" for name in MNIST_FILES], MNIST_URL)
    return found


def load_cifar10(folder: str | Path | None = None, *, download: bool = True) -> DataSet:
    """CIFAR-10: images `(n, 32, 32, 3)`, labels `(n,)` of bytes; 50,000 to train, 10,000 to test.

    The binary or the Python archive as published, or the Python batches unpacked.

    Args:
        folder: look here only.
        download: let Keras fetch it when it is nowhere and Keras is installed.

    Raises:
        DataMissing: it is not to be had; the text says how to get it.
    """
    readers: list[tuple[str, Read]] = [
        (CIFAR10_BINARY[0], _cifar10_binary),
        (CIFAR10_PYTHON[0], _cifar10_python),
        ("cifar-10-batches-py", _cifar10_folder),
    ]
    found, looked = _find(folder, "cifar-10", readers)
    if found is None and download and folder is None:
        found = _from_keras("cifar10", "cifar-10-batches-py*", looked)
    if found is None:
        raise DataMissing(
            "CIFAR-10", looked, [f"{CIFAR10_BINARY[0]} / {CIFAR10_PYTHON[0]}"], CIFAR10_URL
        )
    return found


def load_digits() -> DataSet:
    """The 1,797 digits of 8 x 8 that come with scikit-learn, every fifth one to test; values 0 to 16.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits as load  # noqa: PLC0415 - heavy, and not always there

    digits = load()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    test = np.arange(len(labels)) % 5 == 0
    return (images[~test], labels[~test]), (images[test], labels[test])


def _find(
    folder: str | Path | None, name: str, readers: Iterable[tuple[str, Read]]
) -> tuple[DataSet | None, list[str]]:
    places = [Path(folder)] if folder is not None else folders(os.environ, Path.home())
    looked: list[str] = []
    for place in (one for each in places for one in (each, each / name)):
        for pattern, read in readers:
            for path in sorted(place.glob(pattern))[:1]:
                try:
                    return read(path), looked
                except WrongFile as error:  # noqa: PERF203 - a handful of files
                    looked.append(f"{path}: {error}")
    looked += [f"{place}: -" for place in places if not any(str(place) in one for one in looked)]
    return None, looked


def _checked(array: Array, name: str) -> Array:
    if formats.content(array) != MNIST_FILES[name]:
        raise WrongFile(f"is not MNIST: the checksum of {name} differs")
    return array


def _mnist_idx(first: Path) -> DataSet:
    suffix = ".gz" if first.suffix == ".gz" else ""
    arrays = [
        _checked(formats.read_idx(first.parent / f"{name}{suffix}"), name) for name in MNIST_FILES
    ]
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])


def _mnist_npz(path: Path) -> DataSet:
    arrays = formats.read_npz(path, ("x_train", "y_train", "x_test", "y_test"))
    arrays = [_checked(one, name) for one, name in zip(arrays, MNIST_FILES, strict=True)]
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])


def _cifar10_binary(path: Path) -> DataSet:
    _same(path, "sha256", CIFAR10_BINARY[1])
    names = {name: f"cifar-10-batches-bin/{name}.bin" for name in CIFAR10_BATCHES}
    found = formats.members(path, names)
    return _joined([formats.cifar_binary(found[name]) for name in CIFAR10_BATCHES])


def _cifar10_python(path: Path) -> DataSet:
    _same(path, "sha256", CIFAR10_PYTHON[1])
    found = formats.members(path, {name: f"cifar-10-batches-py/{name}" for name in CIFAR10_BATCHES})
    return _joined([formats.cifar_pickle(found[name]) for name in CIFAR10_BATCHES])


def _cifar10_folder(path: Path) -> DataSet:
    batches = []
    for name, md5 in CIFAR10_BATCHES.items():
        _same(path / name, "md5", md5)
        batches.append(formats.cifar_pickle((path / name).read_bytes()))
    return _joined(batches)


def _same(path: Path, algorithm: str, wanted: str) -> None:
    if formats.digest(path, algorithm) != wanted:
        raise WrongFile(f"is not CIFAR-10: the checksum of {path.name} differs")


def _joined(batches: list[Split]) -> DataSet:
    images, labels = zip(*batches[:-1], strict=True)
    return (np.concatenate(images), np.concatenate(labels)), batches[-1]


def _from_keras(name: str, pattern: str, looked: list[str]) -> DataSet | None:
    """What Keras fetches. Not when it has a file of that name: it would delete one that differs."""
    if list(keras_folder(os.environ, Path.home()).glob(pattern)):
        return None
    try:
        import keras  # noqa: PLC0415 - takes seconds, and is not always there

        (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # noqa: BLE001 - no network, no Keras, no backend: no data either way
        looked.append(f"keras.datasets.{name}: {type(error).__name__}: {str(error)[:200]}")
        return None
    return (_last(x), y.ravel().astype(np.uint8)), (_last(x_test), y_test.ravel().astype(np.uint8))


def _last(images: Array) -> Array:
    """Images with the channels last, whatever Keras is set to."""
    return images.transpose(0, 2, 3, 1) if images.ndim == 4 and images.shape[1] == 3 else images
