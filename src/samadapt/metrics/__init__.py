"""Overlap and surface metrics in millimetres under named conventions."""

from samadapt.metrics.comparing import (
    Difference,
    Gap,
    compare_all,
    gap_between,
    holm,
    paired_difference,
    wilcoxon,
    with_holm,
)
from samadapt.metrics.confusion import Confusion
from samadapt.metrics.definitions import METRICS, Convention, EmptyPolicy
from samadapt.metrics.named import convention, conventions
from samadapt.metrics.pooled import Counts, count, counter, merge, pooled_conventions
from samadapt.metrics.scoring import Score, score, score_conventions
from samadapt.metrics.stats import (
    Mean,
    bootstrap_interval,
    case_means,
    class_means,
    dataset_mean,
    finite_mean,
    mean_of,
)
from samadapt.metrics.targets import TargetCounts, Targets

__all__ = [
    "METRICS",
    "Confusion",
    "Convention",
    "Counts",
    "Difference",
    "EmptyPolicy",
    "Gap",
    "Mean",
    "Score",
    "TargetCounts",
    "Targets",
    "bootstrap_interval",
    "case_means",
    "class_means",
    "compare_all",
    "convention",
    "conventions",
    "count",
    "counter",
    "dataset_mean",
    "finite_mean",
    "gap_between",
    "holm",
    "mean_of",
    "merge",
    "paired_difference",
    "pooled_conventions",
    "score",
    "score_conventions",
    "wilcoxon",
    "with_holm",
]
