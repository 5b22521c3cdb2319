"""Published figures that are printed in grey beside one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Values = tuple[float | None, ...]


@dataclass(frozen=True)
class Published:
    """A published table: one value per column, None where nothing was printed.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : mapping of label name to values
        Empty where only averages were published.
    average : tuple of float
    remark : str
        Where it is from, and why it is not one's own.
    datasets : tuple of str
        Beginnings of the names of the datasets it belongs to; any dataset with its labels if empty.
    background : bool
        The average includes the background.
    """

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, Values]
    average: Values
    remark: str
    datasets: tuple[str, ...] = ()
    background: bool = True

    def fits(self, names: Iterable[str], datasets: Iterable[str] = ()) -> bool:
        """True if these are exactly its labels, background aside, and one of the datasets is its own."""
        asked = any(str(dataset).lower().startswith(self.datasets) for dataset in datasets)
        if self.datasets and not asked:
            return False
        return not self.rows or {n.lower() for n in names} - {"background"} == set(self.rows) - {"background"}


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

_OTHER_CASES = (
    "Its weights, cases and prompts are not those of this page: read the columns beside each other, not against each "
    "other."
)

GID = Published(
    "Published for GID",
    ("SAM", "SAM2", "SAM LoRA"),
    {
        "background": (0.1059, 0.0975, 0.8047),
        "built-up": (0.1742, 0.1385, 0.6646),
        "water": (0.2771, 0.3197, 0.4524),
        "forest": (0.8107, 0.8027, 0.3568),
        "meadow": (0.8367, 0.8249, 0.3673),
        "farmland": (0.2435, 0.2325, 0.6411),
    },
    (0.4080, 0.4026, 0.5478),
    "Grey columns: the GID table of the published comparison of SAM, SAM2 and LoRA, copied as printed; it calls the "
    "classes buildings, water, woods, lawn and farmland, does not define its figure, and its average includes the "
    "background. " + _OTHER_CASES,
    ("gid",),
)

SIRST5K = Published(
    "Published for SIRST-5K",
    ("SAM", "SAM2", "SAM LoRA"),
    {"background": (0.7614, 0.4407, 0.9999), "target": (0.5203, 0.4379, 0.8874)},
    (0.64085, 0.4393, 0.94365),
    "Grey columns: the SIRST-5K table of the published comparison of SAM, SAM2 and LoRA, copied as printed; it does "
    "not define its figure, and its average includes the background. " + _OTHER_CASES,
    ("sirst", "nuaa-sirst"),
)

SYNAPSE = Published(
    "Published for Synapse",
    ("SAMed", "SAMed_h", "SAMed_s"),
    {
        "aorta": (0.8777, None, None),
        "gallbladder": (0.6911, None, None),
        "left kidney": (0.8045, None, None),
        "right kidney": (0.7995, None, None),
        "liver": (0.9480, None, None),
        "pancreas": (0.7217, None, None),
        "spleen": (0.8872, None, None),
        "stomach": (0.8206, None, None),
    },
    (0.8188, 0.8430, 0.7778),
    "Grey columns: Dice of SAMed as published, under the convention “transunet”, which gives 1 to an organ invented "
    "where there is none. Without the background. " + _OTHER_CASES,
    ("synapse",),
    background=False,
)

SAMMED2D = Published(
    "Published for SAM-Med2D",
    tuple(
        f"{model}, {told}"
        for model in ("SAM 256", "SAM 1024", "FT-SAM 256", "SAM-Med2D 256")
        for told in ("box", "1 point", "3 points", "5 points")
    ),
    {},
    (
        *(0.6163, 0.1894, 0.2828, 0.3747),
        *(0.7449, 0.3688, 0.4200, 0.4757),
        *(0.7356, 0.6011, 0.7095, 0.7551),
        *(0.7930, 0.7001, 0.7635, 0.7868),
    ),
    "Grey columns: Dice over all masks of the test set of SAM-Med2D, as published, under the convention “sammed2d”. "
    + _OTHER_CASES,
    ("sammed2d", "sam-med2d"),
    background=False,
)

TABLES = (FLARE22, GID, SIRST5K, SYNAPSE, SAMMED2D)


def published_for(names: Iterable[str], datasets: Iterable[str] = ()) -> Published | None:
    """The published table with exactly these labels, of one of these datasets, if there is one."""
    names, datasets = list(names), list(datasets)
    return next((table for table in TABLES if table.fits(names, datasets)), None)
