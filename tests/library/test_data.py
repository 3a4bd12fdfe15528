"""Data sets: what each holds, how files are found or fetched, and that damaged files are named."""

import gzip
import hashlib
import http.server
import io
import os
import struct
import subprocess
import sys
import tarfile
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pooch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_digits

from quantlib import data
from quantlib.data import files as data_files

SHARED = Path(__file__).parents[3] / "shared" / "data"
# How many of the 10,000 test images of MNIST show each digit: a well-known table.
MNIST_TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    """Write an IDX file by its description, number by number."""
    code = array.dtype.str[1:]
    header = struct.pack(">HBB", 0, CODES[code], array.ndim)
    sizes = b"".join(struct.pack(">I", n) for n in array.shape)
    number = {"u1": "B", "i1": "b", "i2": ">h", "i4": ">i", "f4": ">f", "f8": ">d"}[code]
    return header + sizes + b"".join(struct.pack(number, x) for x in array.ravel().tolist())


def gzipped(content):
    """Compress ``content``, without the time of day that gzip writes by default."""
    return gzip.compress(content, mtime=0)


def cifar_bytes(labels, first_pixel=0):
    pixels = bytes((first_pixel + i) % 256 for i in range(3072))
    return b"".join(bytes([label]) + pixels for label in labels)


# ---------------------------------------------------------------------------------------- digits


def test_digits_are_all_of_scikit_learns():
    digits, source = data.load(), load_digits()
    images = np.concatenate([digits.train_images, digits.test_images])
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    ours = np.column_stack([labels, (images * 16).reshape(len(images), 64)])
    theirs = np.column_stack([source.target, source.data])
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    assert digits.train_images.shape == (1297, 1, 8, 8)
    assert digits.test_images.shape == (500, 1, 8, 8)
    assert digits.train_images.dtype == digits.test_images.dtype == np.float32
    assert digits.train_labels.dtype == digits.test_labels.dtype == np.int64
    assert digits.name == "digits"
    assert digits.class_names == tuple("0123456789")


def test_digits_are_not_turned_or_mixed_up():
    digits, source = data.load(), load_digits()
    by_image = {
        (image / 16).astype(np.float32).tobytes(): t
        for image, t in zip(source.images, source.target, strict=True)
    }
    for image, label in zip(digits.test_images, digits.test_labels, strict=True):
        assert by_image[image[0].tobytes()] == label


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_split_gives_each_class_its_share(seed):
    digits = data.load("digits", seed=seed)
    shares = np.bincount(load_digits().target) * 500 / 1797
    assert np.all(np.abs(np.bincount(digits.test_labels) - shares) < 1)


def test_split_follows_the_seed():
    a, b, c = data.load(seed=0), data.load(seed=0), data.load(seed=1)
    assert np.array_equal(a.test_images, b.test_images)
    assert not np.array_equal(a.test_images, c.test_images)


def test_repr_says_the_sizes():
    assert repr(data.load()) == (
        "<digits: 1297 training and 500 test images of 1 x 8 x 8, 10 classes>"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": "imagenet"}, ValueError, "name must be one of 'digits'"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"seed": 0.5}, TypeError, "seed must be a whole number"),
    ],
)
def test_load_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        data.load(**arguments)


def test_no_torch_and_nothing_slow_at_import():
    code = (
        "import sys; from quantlib import data; data.read_idx; "
        "slow = {'sklearn', 'pooch', 'tqdm', 'requests'} & set(sys.modules); assert not slow, slow;"
        "data.load('digits'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --------------------------------------------------------------------------------------- Dataset


def parts(**changes):
    return {
        "name": "tiny",
        "train_images": np.zeros((3, 1, 2, 2), np.float32),
        "train_labels": np.array([0, 1, 1]),
        "test_images": np.zeros((2, 1, 2, 2), np.float32),
        "test_labels": np.array([1, 0]),
        "class_names": ("a", "b"),
        **changes,
    }


def test_dataset_is_frozen():
    dataset = data.Dataset(**parts())
    with pytest.raises(AttributeError):
        dataset.name = "other"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"train_images": np.zeros((3, 2, 2), np.float32)}, ValueError, "train_images must be N x"),
        (
            {"test_images": np.zeros((2, 1, 3, 2), np.float32)},
            ValueError,
            "test_images must be N x",
        ),
        ({"test_images": np.zeros((2, 1, 2, 2))}, TypeError, "test_images .* float32, got float64"),
        ({"train_images": [[1.0]]}, TypeError, "train_images .* got list"),
        ({"train_labels": np.array([0.0, 1, 1])}, TypeError, "train_labels .* int64, got float64"),
        ({"train_labels": np.array([0, 1])}, ValueError, "train_labels .* each of the 3 images"),
        ({"test_labels": np.array([[1, 0]])}, ValueError, r"test_labels .* got shape \(1, 2\)"),
        (
            {"test_labels": np.array([2, 0])},
            ValueError,
            "test_labels must be from 0 to 1, got 0 to",
        ),
        ({"test_labels": np.array([-1, 0])}, ValueError, "test_labels must be from 0 to 1, got -1"),
        (
            {"test_images": np.zeros((0, 1, 2, 2), np.float32), "test_labels": np.zeros(0, int)},
            ValueError,
            "test_labels .* at least one",
        ),
    ],
)
def test_dataset_refuses(changes, error, words):
    with pytest.raises(error, match=words):
        data.Dataset(**parts(**changes))


# ------------------------------------------------------------------------------------------- IDX


@given(
    array=st.sampled_from(list(CODES)).flatmap(
        lambda code: hnp.arrays(
            np.dtype(code), hnp.array_shapes(max_dims=4, max_side=4, min_side=0)
        )
    ),
    zipped=st.booleans(),
)
def test_idx_reads_what_was_written(array, zipped, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / ("written-idx.gz" if zipped else "written-idx")
    content = idx_bytes(array)
    path.write_bytes(gzipped(content) if zipped else content)
    got = data.read_idx(path)
    assert got.dtype == array.dtype
    assert got.dtype.isnative
    assert np.array_equal(got, array, equal_nan=array.dtype.kind == "f")
    got.fill(0)  # the array is the reader's own, to change as one likes


def test_idx_is_big_endian(tmp_path):
    path = tmp_path / "numbers"
    path.write_bytes(bytes.fromhex("00000b02 00000001 00000002 0102 ff00"))
    assert data.read_idx(str(path)).tolist() == [[258, -256]]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_refuses_every_truncation(tmp_path, suffix):
    path = tmp_path / f"cut-idx3-ubyte{suffix}"
    whole = idx_bytes(np.arange(12, dtype=np.uint8).reshape(2, 3, 2))
    whole = gzipped(whole) if suffix else whole
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut-idx3-ubyte"):
            data.read_idx(path)


def test_idx_refuses_every_flipped_bit_of_a_gzip_file(tmp_path):
    path = tmp_path / "flipped-idx1-ubyte.gz"
    array = np.arange(40, dtype=np.uint8)
    whole = gzipped(idx_bytes(array))
    # Bytes 3 to 9 are gzip's flags, time and system: they do not touch the content.
    for position in [0, 1, 2, *range(10, len(whole))]:
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                got = data.read_idx(path)
            except ValueError as error:
                assert "flipped-idx1-ubyte.gz" in str(error)
            else:
                assert np.array_equal(got, array)  # a bit that deflate does not use


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an IDX file"),
        (b"\x00\x00\x08", "not an IDX file"),
        (b"\x01\x00\x08\x01\x00\x00\x00\x01\x07", "not an IDX file, it begins with the bytes 0100"),
        (b"\x00\x00\x0a\x01\x00\x00\x00\x01\x07", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file"),
        (b"\x00\x00\x08\x00\x07", "0 axes"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x01", "header is incomplete, 2 axes"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x01\x07\x07", "must be 9 bytes .* got 10"),
        (b"\x00\x00\x08\x01\xff\xff\xff\xff\x07", "must be 4294967303 bytes"),
        (b"\x00\x00\x0c\x01\x00\x00\x00\x01\x00\x00\x07", "must be 12 bytes .* int32, got 11"),
        (gzipped(b"\x00\x00\x08\x01\x00\x00\x00\x01\x07"), "not an IDX file"),
    ],
)
def test_idx_refuses(tmp_path, content, words):
    path = tmp_path / "bad-idx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"bad-idx: .*{words}"):
        data.read_idx(path)


def test_idx_refuses_what_is_not_gzip(tmp_path):
    path = tmp_path / "page.gz"
    path.write_text("<html>404</html>")
    with pytest.raises(ValueError, match=r"page\.gz: not a complete gzip file"):
        data.read_idx(path)


# ---------------------------------------------------------------------------------- CIFAR-10 files


def test_cifar10_planes_and_rows(tmp_path):
    path = tmp_path / "batch.bin"
    path.write_bytes(cifar_bytes([7, 0], first_pixel=3))
    images, labels = data.read_cifar10_batch(path, n_images=2)
    assert labels.tolist() == [7, 0]
    assert (images.dtype, images.shape, labels.dtype) == (np.uint8, (2, 3, 32, 32), np.int64)
    # the plane c, row y, column x of an image is byte 1024 c + 32 y + x
    for c, y, x in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 31, 30)]:
        assert images[1, c, y, x] == (3 + 1024 * c + 32 * y + x) % 256


@pytest.mark.parametrize("change", [-3073, -1, 1, 3073])
def test_cifar10_refuses_another_length(tmp_path, change):
    path = tmp_path / "data_batch_9.bin"
    path.write_bytes((cifar_bytes([1, 2, 3]) + bytes(3073))[: 3 * 3073 + change])
    with pytest.raises(ValueError, match=r"data_batch_9\.bin: must be 9219 bytes for 3 images"):
        data.read_cifar10_batch(path, n_images=3)


@pytest.mark.parametrize("labels", [[1, 10, 9], [1, 10, 200]])
def test_cifar10_refuses_a_label_over_9(tmp_path, labels):
    path = tmp_path / "data_batch_9.bin"
    path.write_bytes(cifar_bytes(labels))
    with pytest.raises(ValueError, match=r"data_batch_9\.bin: .* got 10 for image 1"):
        data.read_cifar10_batch(path, n_images=3)


def test_cifar10_takes_10000_images_unless_told(tmp_path):
    path = tmp_path / "data_batch_9.bin"
    path.write_bytes(cifar_bytes([1]))
    with pytest.raises(ValueError, match="must be 30730000 bytes"):
        data.read_cifar10_batch(path)
    with pytest.raises(ValueError, match="n_images must be from 1"):
        data.read_cifar10_batch(path, n_images=0)


# --------------------------------------------------------------- the folder named by QUANTLIB_DATA


def write_plain_mnist(folder, part, count, last_label=9):
    """Write files of MNIST's size with few pixels set, not compressed, mostly holes on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{part}-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">HBBIII", 0, 0x08, 3, count, 28, 28) + bytes([255, 51]))
        file.truncate(16 + count * 784)
    labels = np.arange(count) % 10
    labels[-1] = last_label
    content = struct.pack(">HBBI", 0, 0x08, 1, count) + labels.astype(np.uint8).tobytes()
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(content)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_folder_with_unpacked_files(tmp_path, monkeypatch, name):
    write_plain_mnist(tmp_path / name, "train", 60_000)
    write_plain_mnist(tmp_path / name, "t10k", 10_000)
    monkeypatch.setenv("QUANTLIB_DATA", str(tmp_path))
    dataset = data.load(name)
    assert repr(dataset) == (
        f"<{name}: 60000 training and 10000 test images of 1 x 28 x 28, 10 classes>"
    )
    assert dataset.train_images.dtype == np.float32
    assert dataset.train_images[0, 0, 0, :3].tolist() == [1.0, np.float32(0.2), 0.0]
    assert dataset.train_labels[:11].tolist() == [*range(10), 0]
    assert dataset.class_names[9] == {"mnist": "9", "fashion_mnist": "Ankle boot"}[name]


def test_files_in_each_others_place_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "mnist"
    monkeypatch.setenv("QUANTLIB_DATA", str(tmp_path))
    write_plain_mnist(folder, "t10k", 60_000)
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte: must hold 10000 images"):
        data.load("mnist_10k")
    write_plain_mnist(folder, "t10k", 10_000, last_label=10)
    with pytest.raises(ValueError, match=r"labels-idx1-ubyte: must hold 10000 bytes .* to 10"):
        data.load("mnist_10k")
    labels = folder / "t10k-labels-idx1-ubyte"
    labels.write_bytes((folder / "t10k-images-idx3-ubyte").read_bytes())
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte: must hold 10000 bytes"):
        data.load("mnist_10k")


@pytest.mark.parametrize(
    ("name", "missing", "published"),
    [
        ("mnist", "mnist/train-images-idx3-ubyte.gz", "https://ossci-datasets"),
        ("mnist_10k", "mnist/t10k-images-idx3-ubyte.gz", "https://ossci-datasets"),
        ("fashion_mnist", "fashion_mnist/train-images-idx3-ubyte.gz", "http://fashion-mnist"),
        ("cifar10", "cifar-10-batches-bin/data_batch_1.bin", "https://www.cs.toronto.edu"),
    ],
)
def test_missing_file_in_the_folder_is_named(tmp_path, monkeypatch, name, missing, published):
    monkeypatch.setenv("QUANTLIB_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        data.load(name)
    assert str(tmp_path / missing) in str(caught.value)
    assert published in str(caught.value)
    assert "unset" in str(caught.value)


# --------------------------------------------------------------------- the published files, present


@pytest.fixture(scope="module")
def real_folder(tmp_path_factory):
    if not (SHARED / "unpack.py").exists():
        pytest.skip("the folder shared/data with the published files is not beside the repository")
    folder = tmp_path_factory.mktemp("published")
    subprocess.run([sys.executable, str(SHARED / "unpack.py"), str(folder)], check=True)
    return folder


@pytest.mark.slow
def test_checksums_are_those_of_the_published_files(real_folder):
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        digest = hashlib.md5((real_folder / "mnist" / name).read_bytes()).hexdigest()
        assert data_files.SOURCES["mnist"][1][name] == f"md5:{digest}"


def test_mnist_10k_is_the_published_test_set(real_folder, monkeypatch):
    monkeypatch.setenv("QUANTLIB_DATA", str(real_folder))
    dataset = data.load("mnist_10k")
    assert repr(dataset) == (
        "<mnist_10k: 8000 training and 2000 test images of 1 x 28 x 28, 10 classes>"
    )
    train, test = np.bincount(dataset.train_labels), np.bincount(dataset.test_labels)
    assert (train + test).tolist() == MNIST_TEST_COUNTS
    assert np.all(np.abs(test - np.array(MNIST_TEST_COUNTS) / 5) < 1)
    raw = gzip.decompress((SHARED / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    raw_labels = gzip.decompress((SHARED / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    published = sorted((raw[784 * i :][:784], raw_labels[i]) for i in range(10_000))
    images = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    pixels = np.rint(images * 255).astype(np.uint8)
    ours = sorted((p.tobytes(), label) for p, label in zip(pixels, labels, strict=True))
    assert ours == published
    assert (images.min(), images.max()) == (0, 1)
    other = data.load("mnist_10k", seed=1)
    assert not np.array_equal(dataset.test_labels, other.test_labels)


def test_damaged_copy_of_mnist_is_named(real_folder, tmp_path, monkeypatch):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        (folder / name).write_bytes((real_folder / "mnist" / name).read_bytes())
    with open(folder / "t10k-images-idx3-ubyte.gz", "r+b") as file:
        file.truncate(1_000_000)
    monkeypatch.setenv("QUANTLIB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte\.gz: not a complete gzip file"):
        data.load("mnist_10k")


def test_cifar10_in_its_published_layout(real_folder, monkeypatch):
    monkeypatch.setenv("QUANTLIB_DATA", str(real_folder))
    dataset = data.load("cifar10")
    assert repr(dataset) == (
        "<cifar10: 50000 training and 10000 test images of 3 x 32 x 32, 10 classes>"
    )
    assert np.bincount(dataset.train_labels).tolist() == [5000] * 10
    assert np.bincount(dataset.test_labels).tolist() == [1000] * 10
    meta = (real_folder / "cifar-10-batches-bin" / "batches.meta.txt").read_text().split()
    assert dataset.class_names == tuple(meta)
    batch = (real_folder / "cifar-10-batches-bin" / "data_batch_2.bin").read_bytes()[3073:6146]
    assert dataset.train_labels[10_001] == batch[0]
    assert np.array_equal(
        dataset.train_images[10_001].ravel(), np.array(list(batch[1:]), np.float32) / 255
    )


def test_damaged_copy_of_cifar10_is_named(real_folder, tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for path in (real_folder / "cifar-10-batches-bin").glob("*.bin"):
        os.symlink(path, folder / path.name)
    monkeypatch.setenv("QUANTLIB_DATA", str(tmp_path))
    (folder / "test_batch.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"test_batch\.bin is missing"):
        data.load("cifar10")
    (folder / "test_batch.bin").write_bytes(cifar_bytes([1]))
    with pytest.raises(ValueError, match=r"test_batch\.bin: must be 30730000 bytes"):
        data.load("cifar10")


# ---------------------------------------------------------------------------------------- download


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """A web server on this machine in place of the publishers, and an empty cache."""
    site = tmp_path / "site"
    site.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=site)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.delenv("QUANTLIB_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    url = f"http://127.0.0.1:{server.server_port}/"

    def publish(folder, files, checksums=None):
        for name, content in files.items():
            (site / name).write_bytes(content)
        sums = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
        sums.update(checksums or {})
        registry = {name: f"md5:{value}" for name, value in sums.items()}
        monkeypatch.setitem(data_files.SOURCES, folder, (url, registry))
        return url

    def close():
        server.shutdown()
        server.server_close()

    publish.close = close
    yield publish
    close()


LABELS = gzipped(idx_bytes(np.arange(5, dtype=np.uint8)))
NAME = "t10k-labels-idx1-ubyte.gz"


def test_download_once_then_from_the_cache(publisher, tmp_path, capfd):
    publisher("mnist", {NAME: LABELS})
    path = data_files.find_idx("mnist", NAME)
    assert path == tmp_path / "cache" / "quantlib" / "mnist" / NAME
    assert data.read_idx(path).tolist() == [0, 1, 2, 3, 4]
    assert "100%" in capfd.readouterr().err  # the progress bar
    publisher.close()
    assert data_files.find_idx("mnist", NAME) == path


def test_damaged_file_in_the_cache_is_fetched_again(publisher):
    publisher("mnist", {NAME: LABELS})
    path = data_files.find_idx("mnist", NAME)
    path.write_bytes(LABELS[:20])
    assert data_files.find_idx("mnist", NAME).read_bytes() == LABELS


def test_wrong_checksum_is_refused_and_not_kept(publisher, tmp_path):
    publisher("fashion_mnist", {NAME: LABELS}, checksums={NAME: "0" * 32})
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.* does not match"):
        data_files.find_idx("fashion_mnist", NAME)
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_load_downloads_all_that_it_needs(publisher, tmp_path):
    write_plain_mnist(tmp_path, "t10k", 10_000)
    names = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    publisher("mnist", {f"{n}.gz": gzipped((tmp_path / n).read_bytes()) for n in names})
    assert len(data.load("mnist_10k").test_labels) == 2000


def test_cifar10_archive_is_fetched_and_unpacked(publisher):
    names = [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for label, name in enumerate(names):
            content = cifar_bytes([label])
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    publisher("cifar-10-batches-bin", {"cifar-10-binary.tar.gz": gzipped(archive.getvalue())})
    folder = data_files.find_cifar10()
    for label, name in enumerate(names):
        assert data.read_cifar10_batch(folder / name, n_images=1)[1].tolist() == [label]
    publisher.close()
    assert data_files.find_cifar10() == folder
    with pytest.raises(ValueError, match=r"data_batch_1\.bin: must be 30730000 bytes"):
        data.load("cifar10")


@pytest.mark.parametrize(
    ("name", "folder", "file"),
    [
        ("mnist", "mnist", "train-images-idx3-ubyte.gz"),
        ("mnist_10k", "mnist", "t10k-images-idx3-ubyte.gz"),
        ("fashion_mnist", "fashion_mnist", "train-images-idx3-ubyte.gz"),
        ("cifar10", "cifar-10-batches-bin", "cifar-10-binary.tar.gz"),
    ],
)
@pytest.mark.parametrize("reason", ["no server", "no file"])
def test_offline_says_which_file_to_put_where(publisher, tmp_path, name, folder, file, reason):
    url = publisher(folder, {}, checksums={file: "0" * 32})
    if reason == "no server":
        publisher.close()
    with pytest.raises(ConnectionError) as caught:
        data.load(name)
    message = str(caught.value)
    assert f"{url}{file} could not be downloaded" in message
    assert str(tmp_path / "cache" / "quantlib" / folder / file) in message


def test_addresses_and_checksums_are_complete():
    assert set(data_files.SOURCES) == {"mnist", "fashion_mnist", "cifar-10-batches-bin"}
    sums = [value for _, files in data_files.SOURCES.values() for value in files.values()]
    assert len(set(sums)) == 9
    for value in sums:
        kind, digest = value.split(":")
        assert kind == "md5"
        assert len(bytes.fromhex(digest)) == 16
