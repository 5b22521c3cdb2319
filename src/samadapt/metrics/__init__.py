"""Overlap and surface metrics in millimetres under named conventions."""

from samadapt.metrics.definitions import METRICS, Convention, EmptyPolicy, convention, conventions
from samadapt.metrics.scoring import Score, score
from samadapt.metrics.stats import Mean, bootstrap_interval, case_means, class_means, dataset_mean, mean_of

__all__ = [
    "METRICS",
    "Convention",
    "EmptyPolicy",
    "Mean",
    "Score",
    "bootstrap_interval",
    "case_means",
    "class_means",
    "convention",
    "conventions",
    "dataset_mean",
    "mean_of",
    "score",
]
