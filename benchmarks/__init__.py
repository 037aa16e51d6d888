"""Inputscape beside its peers: the same job and threads, one process, alternating repetitions."""
