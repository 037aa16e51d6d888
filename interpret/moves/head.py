"""What the rest of the classifier says of representations that are put into a layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.layers import replacing
from core.models import Classifier, evaluating


@dataclass(frozen=True, eq=False)
class SplicedHead:
    """Gives representations to a classifier in the place of a layer's own output.

    What bypasses the layer, such as the shortcut around a residual block's inside, is that of the
    image which the representation stands for.

    Attributes:
        classifier: on the device to compute on.
        layer: its name.
        images: `(n, c, h, w)` in [0, 1].
        batch_size: images in one forward pass.
    """

    classifier: Classifier
    layer: str
    images: Tensor
    batch_size: int = 256

    def __call__(self, which: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return logits `(m, k)` of representations `(m, ...)`, each spliced into an image.

        Args:
            which: `(m,)`, the place of the image for each row.
            rows: as the layer gives them.

        Raises:
            InputError: the rows have another shape than the layer's output.
        """
        device = next(self.classifier.parameters(), torch.empty(0)).device
        found = []
        with torch.no_grad(), evaluating(self.classifier):
            for start in range(0, len(rows), self.batch_size):
                part = slice(start, start + self.batch_size)
                given = torch.from_numpy(np.ascontiguousarray(rows[part])).to(device)

                def splice(output: Tensor, given: Tensor = given) -> Tensor:
                    if output.shape != given.shape:
                        raise InputError(
                            f"representations: {self.layer} gives {tuple(output.shape[1:])}, found "
                            f"{tuple(given.shape[1:])}."
                        )
                    return given.to(output)

                images = self.images[torch.from_numpy(which[part])].to(device)
                with replacing(self.classifier, self.layer, splice):
                    found.append(self.classifier(images).float().cpu().numpy())
        return np.concatenate(found)
