"""Published figures that are printed in grey beside one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published table: rows by label name, one value per column; NaN is never used."""

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]
    average: tuple[float, ...]
    remark: str

    def fits(self, names: Iterable[str]) -> bool:
        """True if these are exactly its labels, background aside."""
        return {n.lower() for n in names} - {"background"} == set(self.rows) - {"background"}


FLARE22 = Published(
    "Published for FLARE22",
    ("SAM", "SAM2", "SAM adapter", "LoRA rank 1", "LoRA rank 4", "LoRA rank 8"),
    {
        "background": (0.4678, 0.3357, 0.9973, 0.9944, 0.9961, 0.9953),
        "liver": (0.5418, 0.4255, 0.7328, 0.6758, 0.7191, 0.7093),
        "right kidney": (0.7789, 0.6290, 0.5536, 0.5260, 0.5224, 0.4828),
        "spleen": (0.8002, 0.6360, 0.4130, 0.3901, 0.4406, 0.4417),
        "pancreas": (0.2321, 0.0647, 0.4307, 0.3826, 0.4010, 0.3985),
        "aorta": (0.7915, 0.5825, 0.7985, 0.7759, 0.7975, 0.7872),
        "inferior vena cava": (0.4659, 0.2915, 0.6611, 0.5818, 0.6342, 0.6309),
        "right adrenal gland": (0.0253, 0.0081, 0.1777, 0.1778, 0.1914, 0.1850),
        "left adrenal gland": (0.1891, 0.0380, 0.1993, 0.1761, 0.1874, 0.1538),
        "gallbladder": (0.4196, 0.1520, 0.2674, 0.2546, 0.2802, 0.2578),
        "esophagus": (0.2759, 0.0609, 0.3530, 0.3368, 0.3650, 0.3654),
        "stomach": (0.4558, 0.2035, 0.6076, 0.6270, 0.6897, 0.6554),
        "duodenum": (0.2937, 0.1385, 0.7392, 0.6792, 0.7519, 0.7192),
        "left kidney": (0.8049, 0.6962, 0.9367, 0.9265, 0.9580, 0.9333),
    },
    (0.4673, 0.3044, 0.5620, 0.5360, 0.5667, 0.5511),
    "Grey columns: the per-organ FLARE22 table of the published comparison of SAM, SAM2, a SAM adapter and LoRA, "
    "copied as printed. Its source calls the figure “accuracy” and does not define it, and its average includes the "
    "background. Its weights, cases and prompts are not those of this page: read the columns beside each other, "
    "not against each other.",
)
"""FLARE22, per organ, as printed in the source (table of organ-wise "accuracy"; average includes background)."""

TABLES = (FLARE22,)


def published_for(names: Iterable[str]) -> Published | None:
    """The published table with exactly these labels, if there is one."""
    names = list(names)
    return next((table for table in TABLES if table.fits(names)), None)
