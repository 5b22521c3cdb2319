"""Overlap and surface metrics in millimetres under named conventions."""

from samadapt.metrics.confusion import Confusion
from samadapt.metrics.definitions import METRICS, Convention, EmptyPolicy
from samadapt.metrics.named import convention, conventions
from samadapt.metrics.pooled import Counts, count, counter, merge, pooled_conventions
from samadapt.metrics.scoring import Score, score, score_conventions
from samadapt.metrics.stats import Mean, bootstrap_interval, case_means, class_means, dataset_mean, mean_of
from samadapt.metrics.targets import TargetCounts, Targets

__all__ = [
    "METRICS",
    "Confusion",
    "Convention",
    "Counts",
    "EmptyPolicy",
    "Mean",
    "Score",
    "TargetCounts",
    "Targets",
    "bootstrap_interval",
    "case_means",
    "class_means",
    "convention",
    "conventions",
    "count",
    "counter",
    "dataset_mean",
    "mean_of",
    "merge",
    "pooled_conventions",
    "score",
    "score_conventions",
]
