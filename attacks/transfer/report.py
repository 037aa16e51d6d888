from __future__ import annotations


def write(study, run):
    return {}
