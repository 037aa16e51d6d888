"""The one place that imports faiss, and where its threads are set."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch


def faiss() -> ModuleType:
    """Return the faiss library, with as many threads as torch has.

    torch is imported first, here at the top: each wheel brings an OpenMP of its own, and the one
    that is loaded first must be the one that torch was built with. Since there are two, each has a
    number of threads; `torch.set_num_threads` decides for both.

    >>> faiss().omp_get_max_threads() == torch.get_num_threads()
    True
    """
    library = importlib.import_module("faiss")
    library.omp_set_num_threads(torch.get_num_threads())
    return library
