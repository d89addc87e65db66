"""The file formats of the data sets. Nothing is believed of a file before its checksum."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.uint8]
LARGEST_BYTES = 512 << 20


class WrongFile(Exception):
    """The file is not what it should be: damaged, cut short, or another one."""


def read_idx(path: Path) -> Array:
    """The array in an IDX file of bytes, plain or gzipped.

    Format: two zero bytes, 0x08 for unsigned bytes, the number of dimensions, each dimension as a
    big-endian 32-bit number, the data (the description on the MNIST page of Yann LeCun).

    Raises:
        WrongFile: it is not one.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise WrongFile(f"cannot be read: {error}") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise WrongFile("is not an IDX file of bytes")
    dimensions = data[3]
    begin = 4 + 4 * dimensions
    shape = [int.from_bytes(data[4 + 4 * n : 8 + 4 * n], "big") for n in range(dimensions)]
    if not dimensions or len(data) - begin != math.prod(shape):
        raise WrongFile(f"has {len(data)} bytes, which is not what its header says")
    return np.frombuffer(data, np.uint8, offset=begin).reshape(shape)


def read_npz(path: Path, names: tuple[str, ...]) -> list[Array]:
    """The arrays called `names` in a NumPy archive, without running anything that is in it.

    Raises:
        WrongFile: it is not one, or an array is missing or is not of bytes.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = [archive[name] for name in names]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise WrongFile(f"cannot be read: {error}") from error
    if any(one.dtype != np.uint8 for one in found):
        raise WrongFile("has arrays that are not of bytes")
    return found


def content(array: Array) -> str:
    """The SHA-256 of the array's bytes, whatever file it came in, as hex."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def digest(path: Path, algorithm: str) -> str:
    """The checksum of a file, as hex.

    Raises:
        WrongFile: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            result = hashlib.new(algorithm, usedforsecurity=False)
            while block := file.read(1 << 20):
                result.update(block)
    except OSError as error:
        raise WrongFile(f"cannot be read: {error}") from error
    return result.hexdigest()


def members(path: Path, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """The contents of the members of a tar archive, by what `wanted` calls their paths.

    Raises:
        WrongFile: a member is missing or the archive is damaged.
    """
    try:
        with tarfile.open(path) as archive:
            found = {}
            for name, member in wanted.items():
                file = archive.extractfile(member)
                if file is None:
                    raise WrongFile(f"has no file {member}")
                found[name] = file.read(LARGEST_BYTES)
            return found
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise WrongFile(f"cannot be read: {error}") from error


def cifar_binary(data: bytes) -> tuple[Array, Array]:
    """Images `(n, 32, 32, 3)` and labels `(n,)` of one binary batch: a label, then 3 x 1024 bytes.

    Raises:
        WrongFile: it is cut short.
    """
    if not data or len(data) % 3073:
        raise WrongFile("a batch is cut short")
    rows = np.frombuffer(data, np.uint8).reshape(-1, 3073)
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0]


def cifar_pickle(data: bytes) -> tuple[Array, Array]:
    """The same of one Python batch. Runs what is in it: only after its checksum was compared."""
    batch = pickle.load(io.BytesIO(data), encoding="bytes")  # noqa: S301
    images = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.asarray(batch[b"labels"], np.uint8)
