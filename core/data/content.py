"""What an image set contains, as one hash of pixels, labels, ids and class names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

DIGEST_BYTES = 16


def digest(pixels: np.ndarray) -> bytes:
    """Return the hash of the pixels of one image, `(c, h, w)` uint8."""
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=DIGEST_BYTES).digest()


def digests(images: np.ndarray) -> np.ndarray:
    """Return the hashes of the images `(n, c, h, w)`, as `(n, 16)` uint8."""
    joined = b"".join(digest(image) for image in images)
    return np.frombuffer(joined, np.uint8).reshape(len(images), DIGEST_BYTES)


def fingerprint(
    shape: Sequence[int],
    labels: np.ndarray,
    ids: np.ndarray,
    class_names: Sequence[str],
    pixel_digests: np.ndarray,
) -> str:
    """Return the sha256 hex of an image set, from the digests of its images.

    Args:
        shape: `(c, h, w)`.
        labels: `(n,)` integers.
        ids: `(n,)` strings.
        class_names: one per class.
        pixel_digests: `(n, 16)` uint8, see `digests`.
    """
    head = {"shape": [int(s) for s in shape], "classes": list(class_names), "ids": ids.tolist()}
    whole = hashlib.sha256(json.dumps(head).encode())
    whole.update(np.ascontiguousarray(labels, dtype="<i8").data)
    whole.update(np.ascontiguousarray(pixel_digests).data)
    return whole.hexdigest()
