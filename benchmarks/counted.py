"""A classifier that counts the images it is shown, for contenders that do not say."""

from __future__ import annotations

from torch import Tensor, nn


class Counted(nn.Module):
    """A classifier that counts the images it is shown."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier
        self.shown = 0

    def forward(self, images: Tensor) -> Tensor:
        """Count, and answer as the classifier does."""
        self.shown += len(images)
        return self.classifier(images)
