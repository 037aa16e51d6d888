"""What a move in a hidden layer means: where it came from, what it passed, where it ended."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "Explanation": "interpret.moves.explaining",
    "SplicedHead": "interpret.moves.head",
    "cluster_moves": "interpret.moves.clusters",
    "explain_move": "interpret.moves.explaining",
    "first_layers": "interpret.moves.summary",
    "local_residuals": "interpret.moves.manifold",
    "random_moves": "interpret.moves.control",
    "summary": "interpret.moves.summary",
    "towards_classes": "interpret.moves.class_means",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
