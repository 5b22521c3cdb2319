"""Overlap and surface metrics in millimetres under named conventions."""

from samadapt.metrics.conventions import METRICS, Convention, EmptyPolicy, convention, conventions
from samadapt.metrics.score import Score, score
from samadapt.metrics.stats import bootstrap_interval

__all__ = [
    "METRICS",
    "Convention",
    "EmptyPolicy",
    "Score",
    "bootstrap_interval",
    "convention",
    "conventions",
    "score",
]
