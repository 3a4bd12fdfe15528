"""The data sets of the course, read from files or fetched once from their publishers.

The default, ``"digits"``, comes with scikit-learn and needs no network. The others are looked
for in the folder that the environment variable QUANTLIB_DATA names; where it is not set they
are downloaded, checked against the published checksums, and kept in the user's cache.
"""

from dataclasses import dataclass

import numpy as np

from quantlib._validation import check_choice, check_integer
from quantlib.data.files import find_cifar10, find_idx, read_cifar10_batch, read_idx

__all__ = ["NAMES", "Dataset", "load", "read_cifar10_batch", "read_idx"]

NAMES = ("digits", "mnist", "mnist_10k", "fashion_mnist", "cifar10")

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images and labels to train on and to test on.

    Images are float32, N x C x H x W, from 0 (background) to 1; labels are int64, N class numbers.

    >>> load("digits")
    <digits: 1297 training and 500 test images of 1 x 8 x 8, 10 classes>
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple

    def __post_init__(self):
        for part in ("train", "test"):
            images = getattr(self, f"{part}_images")
            labels = getattr(self, f"{part}_labels")
            for array, kind, dtype in (
                (images, "images", np.float32),
                (labels, "labels", np.int64),
            ):
                if not isinstance(array, np.ndarray) or array.dtype != dtype:
                    got = getattr(array, "dtype", type(array).__name__)
                    raise TypeError(
                        f"{part}_{kind} must be a NumPy array of {dtype.__name__}, got {got}"
                    )
            if images.ndim != 4 or images.shape[1:] != self.train_images.shape[1:]:
                raise ValueError(
                    f"{part}_images must be N x C x H x W, with the same C x H x W for training "
                    f"and test, got shape {images.shape}"
                )
            if labels.shape != images.shape[:1] or not len(labels):
                raise ValueError(
                    f"{part}_labels must be one number for each of the {len(images)} images, "
                    f"at least one, got shape {labels.shape}"
                )
            if labels.min() < 0 or labels.max() >= len(self.class_names):
                raise ValueError(
                    f"{part}_labels must be from 0 to {len(self.class_names) - 1}, "
                    f"got {labels.min()} to {labels.max()}"
                )

    def __repr__(self):
        size = " x ".join(map(str, self.train_images.shape[1:]))
        return (
            f"<{self.name}: {len(self.train_images)} training and {len(self.test_images)} "
            f"test images of {size}, {len(self.class_names)} classes>"
        )


def load(name="digits", *, seed=0):
    """Return a data set by name.

    ===================  ========  ======  ===========  ========================================
    name                 training  test    C x H x W    source
    ===================  ========  ======  ===========  ========================================
    ``"digits"``         1,297     500     1 x 8 x 8    scikit-learn, from the UCI test digits
    ``"mnist"``          60,000    10,000  1 x 28 x 28  LeCun, Cortes and Burges
    ``"mnist_10k"``      8,000     2,000   1 x 28 x 28  the 10,000 test images of MNIST, split
    ``"fashion_mnist"``  60,000    10,000  1 x 28 x 28  Xiao, Rasul and Vollgraf (2017)
    ``"cifar10"``        50,000    10,000  3 x 32 x 32  Krizhevsky (2009), the binary version
    ===================  ========  ======  ===========  ========================================

    Files are read from the folder that the environment variable QUANTLIB_DATA names, laid out as
    ``mnist/train-images-idx3-ubyte.gz``, …, ``fashion_mnist/train-images-idx3-ubyte.gz``, …,
    ``cifar-10-batches-bin/data_batch_1.bin``, …, ``test_batch.bin``. Where the variable is not
    set, the published archives are downloaded once. A FileNotFoundError or ConnectionError says
    which file to put where.

    ``seed`` splits ``"digits"`` and ``"mnist_10k"`` into training and test images, each class with
    the same share in both parts. The other data sets come with a split of their own.

    >>> digits = load("digits")
    >>> digits.train_images.shape, digits.test_images.shape
    ((1297, 1, 8, 8), (500, 1, 8, 8))
    """
    check_choice(name, "name", NAMES)
    seed = check_integer(seed, "seed", 0, 2**32 - 1)
    if name == "digits":
        return _load_digits(seed)
    if name == "cifar10":
        return _load_cifar10()
    if name == "mnist_10k":
        images, labels = _load_idx_pair("mnist", "t10k", 10_000)
        return _split(name, images, labels, 2_000, seed)
    train = _load_idx_pair(name, "train", 60_000)
    test = _load_idx_pair(name, "t10k", 10_000)
    return Dataset(name, *train, *test, _DIGITS if name == "mnist" else _CLOTHES)


def _load_digits(seed):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)[:, np.newaxis]
    return _split("digits", images, bunch.target.astype(np.int64), 500, seed)


def _split(name, images, labels, test_size, seed):
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        np.arange(len(labels)), test_size=test_size, stratify=labels, random_state=seed
    )
    return Dataset(name, images[train], labels[train], images[test], labels[test], _DIGITS)


def _load_idx_pair(folder, part, count):
    """Return images (N x 1 x 28 x 28, 0 to 1) and labels of MNIST or of a set in its format."""
    images_path = find_idx(folder, f"{part}-images-idx3-ubyte.gz")
    images = read_idx(images_path)
    if images.dtype != np.uint8 or images.shape != (count, 28, 28):
        raise ValueError(
            f"{images_path}: must hold {count} images of 28 x 28 bytes, "
            f"got {images.dtype} of shape {images.shape}"
        )
    labels_path = find_idx(folder, f"{part}-labels-idx1-ubyte.gz")
    labels = read_idx(labels_path)
    if labels.dtype != np.uint8 or labels.shape != (count,) or labels.max() > 9:
        raise ValueError(
            f"{labels_path}: must hold {count} bytes from 0 to 9, "
            f"got {labels.dtype} of shape {labels.shape} up to {labels.max(initial=0)}"
        )
    return _to_unit(images[:, np.newaxis]), labels.astype(np.int64)


def _load_cifar10():
    folder = find_cifar10()
    train = [read_cifar10_batch(folder / f"data_batch_{k}.bin") for k in range(1, 6)]
    images, labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
    test_images, test_labels = read_cifar10_batch(folder / "test_batch.bin")
    return Dataset("cifar10", _to_unit(images), labels, _to_unit(test_images), test_labels, _THINGS)


def _to_unit(images):
    """Return the bytes 0 to 255 as float32 from 0 to 1."""
    images = images.astype(np.float32)
    images /= 255
    return images
