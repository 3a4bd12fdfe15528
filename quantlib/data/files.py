"""The files of the published data sets: where they are, how they get here, how they are read."""

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

from quantlib._validation import check_integer

# Where the files are published, and their checksums there.
SOURCES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion_mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "cifar-10-batches-bin": (
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
    ),
}

# The type code in the third byte of an IDX file; numbers are big-endian.
_IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

_CIFAR10_FILES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
_CIFAR10_RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes


def read_idx(path):
    """Return the array that an IDX file holds, in the machine's own byte order.

    The file begins with two zero bytes, a byte for the type of the numbers (0x08 uint8,
    0x09 int8, 0x0B int16, 0x0C int32, 0x0D float32, 0x0E float64) and one for the number of axes;
    then comes the length of each axis, four bytes with the largest first, and then the numbers
    in C order, also with the largest byte first. A name that ends in ``.gz`` means gzip. A damaged
    file is refused with a ValueError that names it. The format is described where MNIST was first
    published, http://yann.lecun.com/exdb/mnist/.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "example-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     print(read_idx(path))
    [7 8 9]
    """
    path = Path(path)
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: not a complete gzip file ({error})") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_DTYPES:
        raise ValueError(f"{path}: not an IDX file, it begins with the bytes {content[:4].hex()}")
    dtype, ndim = np.dtype(_IDX_DTYPES[content[2]]), content[3]
    start = 4 + 4 * ndim
    if ndim == 0 or len(content) < start:
        raise ValueError(f"{path}: the IDX header is incomplete, {ndim} axes are announced")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", ndim, offset=4))
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"{path}: must be {expected} bytes for an array of shape {shape} and type "
            f"{dtype.newbyteorder('=')}, got {len(content)}"
        )
    return (
        np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
    )


def read_cifar10_batch(path, n_images=10_000):
    """Return the images and labels of a file in CIFAR-10's binary layout.

    An image takes 3,073 bytes: its label, then 32 x 32 bytes each of red, green and blue, row by
    row. Images come as uint8, N x 3 x 32 x 32, labels as int64, 0 to 9. A file that does not hold
    ``n_images``, or has a label over 9, is refused with a ValueError that names it. Source:
    A. Krizhevsky: Learning multiple layers of features from tiny images, 2009; the layout is
    described at https://www.cs.toronto.edu/~kriz/cifar.html.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "two_images.bin")
    ...     _ = path.write_bytes(bytes([3] + 3072 * [0] + [5] + 3072 * [255]))
    ...     images, labels = read_cifar10_batch(path, n_images=2)
    >>> images.shape, labels.tolist()
    ((2, 3, 32, 32), [3, 5])
    """
    n_images = check_integer(n_images, "n_images", 1, 2**31)
    size, expected = os.path.getsize(path), n_images * _CIFAR10_RECORD
    if size != expected:
        raise ValueError(f"{path}: must be {expected} bytes for {n_images} images, got {size}")
    records = np.fromfile(path, np.uint8).reshape(n_images, _CIFAR10_RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        first = int(np.argmax(labels > 9))
        raise ValueError(
            f"{path}: labels must be from 0 to 9, got {labels[first]} for image {first}"
        )
    return records[:, 1:].reshape(n_images, 3, 32, 32), labels


def find_idx(folder, name):
    """Return the path of a file (by its published name) of MNIST or a data set in its format.

    Looks in the folder that QUANTLIB_DATA names, and there also for the file unpacked; where the
    variable is not set, in the user's cache, into which the file is downloaded once.

    Raises
    ------
    FileNotFoundError
        If QUANTLIB_DATA is set and the file is not there.
    ConnectionError, ValueError
        If the file cannot be downloaded, or has not the published checksum.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, QUANTLIB_DATA="my_data"):
    ...     find_idx("mnist", "t10k-labels-idx1-ubyte.gz")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FileNotFoundError: my_data/mnist/t10k-labels-idx1-ubyte.gz is missing. Put it there (...
    """
    root = os.environ.get("QUANTLIB_DATA")
    if not root:
        return Path(_download(folder, name))
    place = Path(root).expanduser() / folder
    for path in (place / name, place / name.removesuffix(".gz")):
        if path.exists():
            return path
    raise FileNotFoundError(_missing(place / name, SOURCES[folder][0] + name))


def find_cifar10():
    """Return the folder that holds the six files of CIFAR-10's binary version.

    Looks for ``cifar-10-batches-bin`` in the folder that QUANTLIB_DATA names; where the variable is
    not set, in the user's cache, into which the archive is downloaded once. The errors are those
    of :func:`find_idx`.

    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, QUANTLIB_DATA="my_data"):
    ...     find_cifar10()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FileNotFoundError: my_data/cifar-10-batches-bin/data_batch_1.bin is missing. Put it there (...
    """
    folder, archive = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
    root = os.environ.get("QUANTLIB_DATA")
    if not root:
        import pooch

        unpack = pooch.Untar(members=[f"{folder}/{name}" for name in _CIFAR10_FILES])
        return Path(_download(folder, archive, unpack)[0]).parent
    place = Path(root).expanduser() / folder
    for name in _CIFAR10_FILES:
        if not (place / name).exists():
            raise FileNotFoundError(_missing(place / name, SOURCES[folder][0] + archive))
    return place


def _missing(path, url):
    return (
        f"{path} is missing. Put it there (it is published in {url}), or unset the environment "
        "variable QUANTLIB_DATA to have it downloaded"
    )


def _download(folder, name, processor=None):
    import pooch
    from requests import RequestException

    published, files = SOURCES[folder]
    cache = pooch.os_cache("quantlib") / folder
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=30)
    try:
        path = pooch.create(cache, published, registry=files).fetch(name, processor, downloader)
    except RequestException as error:
        raise ConnectionError(
            f"{published}{name} could not be downloaded ({error}). Without a network, put the "
            f"file at {cache / name}"
        ) from error
    return path
