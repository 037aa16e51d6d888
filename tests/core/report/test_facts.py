from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.models import fingerprint, load_classifier
from core.report.facts import classifier_fact, run_facts
from core.statistics import clopper_pearson


def test_a_classifier_is_named_by_its_weights_and_its_accuracy():
    net = load_classifier("digits_mlp")
    plain = classifier_fact("net", net, 9, 10)
    assert plain == f"net, weights {fingerprint(net)[:12]}; right on 9 of 10 of the images used"
    assert classifier_fact("net", net, 9, 10, clopper_pearson(9, 10)).startswith(f"{plain}, 90% [")


def test_the_time_of_a_run_counts_from_its_first_start():
    begun = datetime.now(UTC) - timedelta(hours=2)
    environment = {"started": begun.isoformat(timespec="seconds"), "versions": {"torch": "2.5"}}
    facts = run_facts(environment, seed=3, device="cpu", threads=2)
    assert list(facts) == ["seed", "time", "versions", "device"]
    assert facts["time"].startswith("2 h")
    assert (facts["seed"], facts["versions"]) == ("3", "torch 2.5")
    assert facts["device"] == "cpu, 2 threads per process"
