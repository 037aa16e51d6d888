"""The embedded default: 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from core.data.subsets import balanced_order

TEST_EXAMPLES = 600
SPLITS = ("train", "test")


def digits(split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return images `(n, 1, 8, 8)` uint8, labels, ids and class names of `train` or `test`.

    The test split is a fixed one with 60 examples of each digit; the other 1,197 are for training.
    Pixels are `round(255 v / 16)` of the stored 17 grey levels v. The id is the number of the image
    in scikit-learn's order, `digits/0123`. Source: Alpaydin and Kaynak, Optical recognition of
    handwritten digits, UCI machine learning repository (1998).
    """
    from sklearn.datasets import load_digits

    stored = load_digits()
    images = np.rint(stored.images * (255.0 / 16.0)).astype(np.uint8)[:, None]
    labels = stored.target.astype(np.int64)
    ids = np.array([f"digits/{i:04d}" for i in range(len(labels))])
    order = balanced_order(labels, ids)
    rows = np.sort(order[:TEST_EXAMPLES] if split == "test" else order[TEST_EXAMPLES:])
    return images[rows], labels[rows], ids[rows], tuple(str(d) for d in range(10))
