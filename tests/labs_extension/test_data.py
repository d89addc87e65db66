"""Data sets are found in several formats, and nothing but the real ones is taken for them."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from labs_extension.data import DataMissing, load_cifar10, load_digits, load_mnist, places, sets
from labs_extension.data.formats import WrongFile, content, read_idx

REAL = Path(__file__).resolve().parents[3] / "shared" / "mnist"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A home without data, an image without data, and no network."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.delenv(places.VARIABLE, raising=False)
    monkeypatch.setattr(places, "SYSTEM_FOLDERS", (tmp_path / "system",))
    monkeypatch.setenv("LANG", "C.UTF-8")
    return tmp_path


def _idx(array):
    head = b"\0\0\x08" + bytes([array.ndim])
    return head + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def small(monkeypatch):
    """A data set that stands in for MNIST: seven images, with checksums of their own."""
    random = np.random.default_rng(1)
    arrays = [
        random.integers(0, 256, (5, 28, 28), np.uint8),
        np.arange(5, dtype=np.uint8),
        random.integers(0, 256, (2, 28, 28), np.uint8),
        np.arange(2, dtype=np.uint8),
    ]
    monkeypatch.setattr(
        sets, "MNIST_FILES", dict(zip(sets.MNIST_FILES, map(content, arrays), strict=True))
    )
    return arrays


def _write(folder, arrays, gz=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(sets.MNIST_FILES, arrays, strict=True):
        data = _idx(array)
        (folder / (f"{name}.gz" if gz else name)).write_bytes(gzip.compress(data) if gz else data)


def _same(found, arrays):
    (x, y), (x_test, y_test) = found
    return all(np.array_equal(a, b) for a, b in zip((x, y, x_test, y_test), arrays, strict=True))


@pytest.mark.parametrize("gz", [True, False])
def test_mnist_is_read_from_idx_files_in_the_named_folder(elsewhere, monkeypatch, small, gz):
    _write(elsewhere / "here" / "mnist", small, gz)
    monkeypatch.setenv(places.VARIABLE, f"/nowhere:{elsewhere / 'here'}")
    assert _same(load_mnist(download=False), small)


@pytest.mark.parametrize("where", ["system", "home/data", "home/.keras/datasets"])
def test_mnist_is_read_from_kerass_file_wherever_it_lies(elsewhere, small, where):
    (elsewhere / where).mkdir(parents=True)
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(elsewhere / where / "mnist.npz", **dict(zip(names, small, strict=True)))
    assert _same(load_mnist(download=False), small)


def test_files_with_other_numbers_in_them_are_not_taken_for_mnist(elsewhere, small):
    changed = small[0].copy()
    changed[0, 0, 0] ^= 1
    _write(elsewhere / "mine", [changed, *small[1:]])
    with pytest.raises(DataMissing, match="checksum of train-images-idx3-ubyte differs"):
        load_mnist(elsewhere / "mine")


def test_a_damaged_file_is_passed_over_for_a_good_one(elsewhere, small):
    _write(elsewhere / "system", small)
    (elsewhere / "system" / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bbroken")
    _write(elsewhere / "home" / "data" / "mnist", small)
    assert _same(load_mnist(download=False), small)


def test_a_set_that_is_nowhere_says_how_to_get_it_and_where_it_was_looked_for(elsewhere):
    with pytest.raises(DataMissing) as caught:
        load_mnist(download=False)
    text = str(caught.value)
    assert "Get train-images-idx3-ubyte.gz" in text
    assert "GPUSPAWNER_DATA" in text
    assert str(elsewhere / "system") in text
    assert "이 머신에 없습니다" in caught.value.sentence["ko"]


def test_kerass_folder_is_never_touched_when_it_has_another_file_of_that_name(elsewhere):
    folder = elsewhere / "home" / ".keras" / "datasets"
    folder.mkdir(parents=True)
    (folder / "mnist.npz").write_bytes(b"the student's own")
    with pytest.raises(DataMissing, match=r"mnist\.npz: cannot be read"):
        load_mnist()
    assert (folder / "mnist.npz").read_bytes() == b"the student's own"


def test_an_archive_that_would_run_code_is_not_opened(elsewhere):
    (elsewhere / "system").mkdir()
    np.savez(
        elsewhere / "system" / "mnist.npz",
        **{n: np.array([object()]) for n in ("x_train", "y_train", "x_test", "y_test")},
    )
    with pytest.raises(DataMissing, match="allow_pickle=False"):
        load_mnist(download=False)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x0d\x01\0\0\0\x01abcd", "not an IDX file"),
        (b"\0\0\x08\x01\0\0\0\x05abcd", "not what its header says"),
        (
            b"\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            "not what its header says",
        ),
        (b"\0\0\x08\x00", "not what its header says"),
    ],
)
def test_a_header_is_not_believed(tmp_path, data, said):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(WrongFile, match=said):
        read_idx(tmp_path / "file")


@pytest.fixture
def batches():
    """Six batches of two images, as `(images, labels)`."""
    random = np.random.default_rng(2)
    return {
        name: (random.integers(0, 256, (2, 32, 32, 3), np.uint8), np.array([n, 9], np.uint8))
        for n, name in enumerate(sets.CIFAR10_BATCHES)
    }


def _planes(images):
    return images.transpose(0, 3, 1, 2).reshape(len(images), 3072)


def _tar(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _pickled(images, labels):
    return pickle.dumps({b"data": _planes(images), b"labels": labels.tolist()}, protocol=2)


def _is_cifar(found, batches):
    (x, y), (x_test, y_test) = found
    train = list(batches.values())[:-1]
    return (
        np.array_equal(x, np.concatenate([one[0] for one in train]))
        and np.array_equal(y, np.concatenate([one[1] for one in train]))
        and np.array_equal(x_test, batches["test_batch"][0])
        and np.array_equal(y_test, batches["test_batch"][1])
    )


def test_cifar_is_read_from_the_binary_archive(elsewhere, monkeypatch, batches):
    files = {
        f"cifar-10-batches-bin/{name}.bin": np.hstack([y[:, None], _planes(x)]).tobytes()
        for name, (x, y) in batches.items()
    }
    sha = _tar(elsewhere / "system" / "cifar-10-binary.tar.gz", files)
    monkeypatch.setattr(sets, "CIFAR10_BINARY", ("cifar-10-binary.tar.gz", sha))
    assert _is_cifar(load_cifar10(download=False), batches)


def test_cifar_is_read_from_the_python_archive_and_from_its_folder(elsewhere, monkeypatch, batches):
    pickles = {name: _pickled(*batch) for name, batch in batches.items()}
    path = elsewhere / "one" / "cifar-10-python.tar.gz"
    sha = _tar(path, {f"cifar-10-batches-py/{name}": data for name, data in pickles.items()})
    monkeypatch.setattr(sets, "CIFAR10_PYTHON", (path.name, sha))
    assert _is_cifar(load_cifar10(path.parent), batches)
    folder = elsewhere / "two" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, data in pickles.items():
        (folder / name).write_bytes(data)
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in pickles.items()}
    monkeypatch.setattr(sets, "CIFAR10_BATCHES", md5)
    assert _is_cifar(load_cifar10(folder.parent), batches)


def test_batches_that_are_not_the_published_ones_are_never_unpickled(
    elsewhere, monkeypatch, batches
):
    folder = elsewhere / "system" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, batch in batches.items():
        (folder / name).write_bytes(_pickled(*batch))
    opened = []
    monkeypatch.setattr(sets.formats, "cifar_pickle", opened.append)
    with pytest.raises(DataMissing, match="checksum of data_batch_1 differs"):
        load_cifar10(download=False)
    assert opened == []


def test_digits_need_no_file():
    (x, y), (x_test, y_test) = load_digits()
    assert (x.shape, y.shape, x_test.shape, x.dtype, x.max()) == (
        (1437, 8, 8), (1437,), (360, 8, 8), np.uint8, 16,
    )  # fmt: skip
    assert {*y_test.tolist()} == {*range(10)}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real MNIST is not beside this checkout")
def test_the_real_mnist_is_mnist():
    (x, y), (x_test, y_test) = load_mnist(REAL)
    assert (x.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert np.bincount(y).tolist()[:3] == [5923, 6742, 5958]
    assert (y[:5].tolist(), y_test[:5].tolist()) == ([5, 0, 4, 1, 9], [7, 2, 1, 0, 4])
