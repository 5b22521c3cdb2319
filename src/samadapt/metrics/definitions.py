"""What published code means by Dice, HD95 and NSD. A figure names one of these records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

METRICS = ("dice", "iou", "hd", "hd95", "assd", "nsd")
Missing = Literal["", "both", "reference", "prediction"]
Unit = Literal["mm", "voxel"]
Boundary = Literal["border voxels", "surface elements"]


@dataclass(frozen=True)
class EmptyPolicy:
    """Value of a metric where it has nothing to compare.

    Attributes
    ----------
    both : float
        Reference and prediction are empty.
    reference : float
        The reference is empty, the prediction is not: a false alarm.
    prediction : float
        The prediction is empty, the reference is not: a missed object.
    """

    both: float
    reference: float
    prediction: float

    def value(self, missing: Missing) -> float:
        """Value for what is missing: "both", "reference" or "prediction"."""
        return float(getattr(self, missing))


@dataclass(frozen=True)
class Convention:
    """One meaning of the six metrics.

    Attributes
    ----------
    name, source : str
        Source is the code or paper the convention reproduces.
    empty : mapping of metric name to EmptyPolicy
    boundary : {"border voxels", "surface elements"}
        What HD, HD95 and ASSD measure between: voxels with a background face neighbour, or the elements of the
        marching-cubes surface, weighted by area.
    hd95 : {"larger", "pooled"}
        The larger of the two directed 95th percentiles, or the percentile of both directions together.
    nsd : {"border voxels", "surface elements"}
        What the normalised surface distance counts.
    unit : {"mm", "voxel"}
        Unit of HD, HD95 and ASSD. "voxel" ignores the spacing.
    nsd_unit : {"mm", "voxel"}
        Unit of the tolerance of NSD, and of what it is compared with.
    tolerance_mm : float
        Of NSD, for labels that `tolerances_mm` does not name.
    tolerances_mm : mapping of label to float
    between_reference_slices : frozenset of int
        Labels scored only on the slices z_first <= z < z_last of the reference.
    each_slice : bool
        Dice and IoU of a volume are the mean over the slices of the reference that hold the object, each an image of
        its own.
    least_dice_for_nsd : float
        NSD is 0 where Dice is below; with `least_dice_excluded`, also where it is equal.
    least_dice_excluded : bool
    decimals : int or None
        Dice and IoU are rounded to so many.
    smooth : float
        Added to numerator and denominator of Dice and IoU.
    mean_over : {"cases", "labels", "masks"}
        How the mean of a set is taken: of the labels of a case and then of cases, the other way round, or of all masks
        alike.
    own : tuple of str
        The metrics that the source has; the others follow by analogy, so that every convention gives every metric.
    pooled : tuple of str
        Figures that the source counts over a whole set of images and not case by case; see `metrics.count`. The six
        metrics of such a convention are those of one case by itself.
    note : str
        What surprises in it; the first sentence says the most.
    """

    name: str
    source: str
    empty: Mapping[str, EmptyPolicy]
    boundary: Boundary = "border voxels"
    hd95: Literal["larger", "pooled"] = "larger"
    nsd: Boundary = "surface elements"
    unit: Unit = "mm"
    nsd_unit: Unit = "mm"
    tolerance_mm: float = 2.0
    tolerances_mm: Mapping[int, float] = field(default_factory=dict)
    between_reference_slices: frozenset[int] = frozenset()
    each_slice: bool = False
    least_dice_for_nsd: float = 0.0
    least_dice_excluded: bool = False
    decimals: int | None = None
    smooth: float = 0.0
    mean_over: Literal["cases", "labels", "masks"] = "cases"
    own: tuple[str, ...] = METRICS
    pooled: tuple[str, ...] = ()
    note: str = ""

    @property
    def why(self) -> str:
        """In one sentence, why its figures are not those of another convention."""
        return self.note.partition(". ")[0].removesuffix(".") + "."
