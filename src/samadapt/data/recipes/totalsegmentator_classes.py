"""Class names of TotalSegmentator's data sets and the parts of them that are chosen by name."""

from __future__ import annotations

import difflib

from samadapt.core.errors import ConfigError

_ORGANS = (
    *("spleen", "kidney_right", "kidney_left", "gallbladder", "liver", "stomach", "pancreas", "adrenal_gland_right"),
    *("adrenal_gland_left", "lung_upper_lobe_left", "lung_lower_lobe_left", "lung_upper_lobe_right"),
    *("lung_middle_lobe_right", "lung_lower_lobe_right", "esophagus", "trachea", "thyroid_gland", "small_bowel"),
    *("duodenum", "colon", "urinary_bladder", "prostate", "kidney_cyst_left", "kidney_cyst_right"),
)
_VERTEBRAE = (
    *("sacrum", "vertebrae_S1"),
    *(f"vertebrae_{part}{n}" for part, count in (("L", 5), ("T", 12), ("C", 7)) for n in range(count, 0, -1)),
)
_CARDIAC = (
    *("heart", "aorta", "pulmonary_vein", "brachiocephalic_trunk", "subclavian_artery_right"),
    *("subclavian_artery_left", "common_carotid_artery_right", "common_carotid_artery_left"),
    *("brachiocephalic_vein_left", "brachiocephalic_vein_right", "atrial_appendage_left", "superior_vena_cava"),
    *("inferior_vena_cava", "portal_vein_and_splenic_vein", "iliac_artery_left", "iliac_artery_right"),
    *("iliac_vena_left", "iliac_vena_right"),
)
_MUSCLES = (
    *("humerus_left", "humerus_right", "scapula_left", "scapula_right", "clavicula_left", "clavicula_right"),
    *("femur_left", "femur_right", "hip_left", "hip_right", "spinal_cord", "gluteus_maximus_left"),
    *("gluteus_maximus_right", "gluteus_medius_left", "gluteus_medius_right", "gluteus_minimus_left"),
    *("gluteus_minimus_right", "autochthon_left", "autochthon_right", "iliopsoas_left", "iliopsoas_right"),
    *("brain", "skull"),
)
_RIBS = (
    *(f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13)),
    *("sternum", "costal_cartilages"),
)
_FLARE22 = (
    *("liver", "kidney_right", "spleen", "pancreas", "aorta", "inferior_vena_cava", "adrenal_gland_right"),
    *("adrenal_gland_left", "gallbladder", "esophagus", "stomach", "duodenum", "kidney_left"),
)

CLASS_MAPS: dict[str, tuple[str, ...]] = {
    "total": _ORGANS + _VERTEBRAE + _CARDIAC + _MUSCLES + _RIBS,
    "organs": _ORGANS,
    "vertebrae": _VERTEBRAE,
    "cardiac": _CARDIAC,
    "muscles": _MUSCLES,
    "ribs": _RIBS,
    "flare22": _FLARE22,
}
"""Names in order of label value, from 1. "total" is the 117 classes of version 2, numbered as its combined label files
are; the five that follow are TotalSegmentator's own parts; "flare22" the 13 organs of FLARE22 in FLARE22's order."""


def class_map(name: str) -> dict[str, int]:
    """{class name: label value} of a map by name.

    Raises
    ------
    ConfigError
        If there is no map of that name; the nearest is named.
    """
    if name not in CLASS_MAPS:
        near = difflib.get_close_matches(name, CLASS_MAPS, 1, 0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"TotalSegmentator has no class map {name!r}",
            where="options.classes",
            remedy=f"{hint}Maps: {', '.join(CLASS_MAPS)}; or give a list of structures.",
        )
    return {structure: value for value, structure in enumerate(CLASS_MAPS[name], start=1)}
