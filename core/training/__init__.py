"""Training: one loop for any classifier on any image set, resumed exactly after a kill.

>>> from core.training import TrainingSettings
>>> TrainingSettings(epochs=18).resolved_learning_rate
0.1
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "Evaluation": "core.training.evaluation",
    "TrainingResult": "core.training.loop",
    "TrainingSettings": "core.training.settings",
    "EpochRecord": "core.training.history",
    "Draws": "core.training.perturbation",
    "Perturbation": "core.training.perturbation",
    "Watcher": "core.training.watchers",
    "embedded": "core.training.built_in",
    "evaluate": "core.training.evaluation",
    "train": "core.training.loop",
}
__getattr__, __dir__ = attach(__name__, _NAMES)
