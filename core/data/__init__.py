"""Image sets from a spec: layouts recognised, decoded once, memory-mapped, with stable ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:
    from core.data.cache import cache_root
    from core.data.image_set import ImageSet
    from core.data.loading import load_images

__all__ = ["ImageSet", "cache_root", "load_images"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "ImageSet": "core.data.image_set",
        "cache_root": "core.data.cache",
        "load_images": "core.data.loading",
    },
)
