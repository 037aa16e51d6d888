"""Classifiers from a spec: images in [0, 1] go in, logits come out, normalisation lives inside.

A spec is the name of a built-in (`digits_convnet`, `digits_mlp`, `digits_residual`,
`digits_patches`), of a torchvision classification model (`resnet18`), `timm/NAME`,
`package.module:factory` or the path of a `torch.export` program (`net.pt2`).
"""

from core.lazy import attach

_NAMES = {
    "Classifier": "core.models.classifier",
    "evaluating": "core.models.classifier",
    "fingerprint": "core.models.classifier",
    "weights_fingerprint": "core.models.classifier",
    "load_classifier": "core.models.loading",
    "build_network": "core.models.sources",
    "model_names": "core.models.sources",
    "save_checkpoint": "core.models.checkpoints",
    "Normalisation": "core.models.normalisation",
    "parse_normalisation": "core.models.normalisation",
    "resolve_device": "core.models.devices",
    "check_images": "core.models.checking",
    "is_piecewise_linear": "core.models.piecewise",
    "smooth_operations": "core.models.piecewise",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
