"""Medical Segmentation Decathlon tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from samadapt.core.errors import DataError
from samadapt.core.image import LabelSet
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, RecipeInfo, require_cases, require_folder
from samadapt.data.recipes.loading import LabelRule, PairLoader
from samadapt.data.recipes.nnunet import label_set_of, modality_of, no_options, read_dataset_json
from samadapt.data.recipes.pairing import image_files, pair_files, stem, unreadable

HIPPOCAMPUS = {1: "anterior", 2: "posterior"}


class Msd:
    """dataset.json with "training" and "test" lists, imagesTr/ (4-D when there are several channels), labelsTr/.

    The hippocampus task is also read from bare images/ and labels/ folders with files named hippocampus_*.
    Test images have no labels and are exclusions.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="msd",
        title="Medical Segmentation Decathlon, one of its ten tasks",
        licence="CC BY-SA 4.0",
        citation="Antonelli et al. 2022, The Medical Segmentation Decathlon, Nature Communications 13, "
        "doi:10.1038/s41467-022-30695-9; Simpson et al. 2019, arXiv:1902.09063",
        url="http://medicaldecathlon.com/",
        how_to_get="Download a task (Task04_Hippocampus.tar, ...) from the page and unpack it.",
    )

    def matches(self, source: Path) -> bool:
        """True if dataset.json has a "training" list of image and label, or files are named hippocampus_*."""
        source = Path(source)
        if _bare(source):
            return True
        if not (source / "dataset.json").is_file():
            return False
        try:
            training = read_dataset_json(source).get("training")
        except Exception:
            return False
        return isinstance(training, list) and bool(training) and isinstance(training[0], dict)

    def find(self, source: Path, **options: Any) -> Found:
        """List the labelled cases; a case is a patient."""
        no_options(self.info.name, options)
        source = require_folder(source)
        found = _find_bare(source) if _bare(source) else _find_listed(source)
        return require_cases(found, source, "dataset.json listing imagesTr/ and labelsTr/")


def _bare(source: Path) -> bool:
    return not (source / "dataset.json").exists() and any((source / "images").glob("hippocampus_*.nii*"))


def _find_bare(source: Path) -> Found:
    exclusions: list[Exclusion] = []
    label_set = LabelSet.from_names(HIPPOCAMPUS, modality="MR")
    images = image_files(source / "images", exclusions)
    labels = image_files(source / "labels", exclusions) if (source / "labels").is_dir() else []
    pairing = pair_files(images, labels, (), ())
    cases = [_case(name, image, label, label_set, "MR") for name, image, label in pairing.pairs]
    return Found(cases, label_set, exclusions + pairing.exclusions)


def _find_listed(source: Path) -> Found:
    content = read_dataset_json(source)
    channels = tuple(str(v) for v in (content.get("modality") or {}).values())
    modality = modality_of(list(channels))
    if not content.get("labels"):
        raise DataError("dataset.json has no labels", where=source / "dataset.json")
    label_set = label_set_of(content["labels"], modality, source / "dataset.json")
    exclusions: list[Exclusion] = []
    cases: dict[str, CaseSource] = {}
    for entry in content.get("training", []):
        image, label = source / str(entry["image"]), source / str(entry["label"])
        name = stem(image)
        reason = _problem(image, label, name in cases)
        if reason:
            exclusions.append((name, reason))
        else:
            cases[name] = _case(name, image, label, label_set, modality, channels)
    exclusions.extend((stem(Path(str(p))), "test image without label") for p in content.get("test", []))
    exclusions.extend(_unlisted(source, content))
    return Found([cases[name] for name in sorted(cases)], label_set, exclusions)


def _case(
    name: str, image: Path, label: Path, label_set: LabelSet, modality: str, channels: tuple[str, ...] = ()
) -> CaseSource:
    several = channels if len(channels) > 1 else ()
    rule = LabelRule(threshold=None)
    loader = PairLoader((image,), label, label_set, modality, rule, channels=bool(several), channel_names=several)
    return CaseSource(name, name, None, modality, loader, (image, label))


def _problem(image: Path, label: Path, seen: bool) -> str:
    if seen:
        return "duplicate: listed twice in dataset.json"
    for kind, path in (("image", image), ("label", label)):
        if not path.is_file():
            return f"the {kind} file {path.name} is missing"
        if reason := unreadable(path):
            return f"{kind}: {reason}"
    return ""


def _unlisted(source: Path, content: dict[str, Any]) -> list[Exclusion]:
    listed = {Path(str(entry["image"])).name for entry in content.get("training", [])}
    folder = source / "imagesTr"
    files = sorted(p.name for p in folder.glob("[!.]*")) if folder.is_dir() else []
    return [(name, "in imagesTr/ but not in dataset.json") for name in files if name not in listed]
