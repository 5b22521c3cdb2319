"""Published models by name: where they are, under which licence, what they expect. Does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from samadapt.core.errors import CheckpointError

Status = Literal["packaged", "hub", "file", "untrained"]


@dataclass(frozen=True)
class Entry:
    """One published model.

    Attributes
    ----------
    name : str
        What `samadapt.models.load` takes.
    title : str
    family : str
        "sam", "medsam", ...
    status : {"packaged", "hub", "file", "untrained"}
        Inside this package; downloaded from the Hugging Face hub; a file to be downloaded by hand; or without weights,
        to be trained from nothing.
    hub_id : str
        Repository on the Hugging Face hub, or "".
    url : str
        Where it is described or downloaded.
    licence : str
        SPDX identifier of the weights' licence, or what is known of it.
    citation : str
    image_size : int
    architecture : str
        Key of `samadapt.models.architecture.KNOWN` or, for SAM 2, SAM 3 and EdgeTAM, of `KNOWN` in
        `samadapt.models.sam2.architecture`, `.sam3.architecture` or `.edgetam.architecture`; "" for other networks.
    parameters, encoder_parameters, decoder_parameters : int or None
        Whole model, image encoder and mask decoder; None where not counted.
    preprocessing : str
        See `samadapt.models.preprocess.get`; "" for models that cannot be loaded.
    multimask : bool
        False where the candidate masks were never trained.
    note : str
    gated : bool
        True where the hub gives the weights only to accounts that accepted their terms.
    """

    name: str
    title: str
    family: str
    status: Status
    hub_id: str
    url: str
    licence: str
    citation: str
    image_size: int
    architecture: str = ""
    parameters: int | None = None
    encoder_parameters: int | None = None
    decoder_parameters: int | None = None
    preprocessing: str = ""
    multimask: bool = True
    note: str = ""
    gated: bool = False

    @property
    def where_from(self) -> str:
        """Where the weights come from, for people."""
        if self.status == "packaged":
            return "in the package"
        if self.status == "untrained":
            return "trained by samadapt train"
        return self.url if self.status == "file" else self.hub_id


_SAM = "Kirillov et al. 2023, Segment Anything, ICCV"
_SAM_URL = "https://github.com/facebookresearch/segment-anything"
_HQ_URL = "https://github.com/SysCV/sam-hq"
_HQ = "Ke et al. 2023, Segment Anything in High Quality, NeurIPS"
_SAM2_URL = "https://github.com/facebookresearch/sam2"
_SAM2 = "Ravi et al. 2024, SAM 2: Segment Anything in Images and Videos, arXiv 2408.00714"

_ENTRIES = (
    Entry(
        "tiny",
        "Small SAM trained on synthetic scenes",
        "sam",
        "packaged",
        "",
        "",
        "Apache-2.0",
        "samadapt",
        128,
        "tiny",
        2_330_888,
        1_420_288,
        834_700,
        "tiny",
        note="Inside this package; runs anywhere in milliseconds.",
    ),
    Entry(
        "sam-vit-b",
        "Segment Anything, ViT-B",
        "sam",
        "hub",
        "facebook/sam-vit-base",
        _SAM_URL,
        "Apache-2.0",
        _SAM,
        1024,
        "vit-b",
        93_735_472,
        89_670_912,
        4_058_340,
        "sam",
    ),
    Entry(
        "sam-vit-l",
        "Segment Anything, ViT-L",
        "sam",
        "hub",
        "facebook/sam-vit-large",
        _SAM_URL,
        "Apache-2.0",
        _SAM,
        1024,
        "vit-l",
        312_342_832,
        308_278_272,
        4_058_340,
        "sam",
    ),
    Entry(
        "sam-vit-h",
        "Segment Anything, ViT-H",
        "sam",
        "hub",
        "facebook/sam-vit-huge",
        _SAM_URL,
        "Apache-2.0",
        _SAM,
        1024,
        "vit-h",
        641_090_608,
        637_026_048,
        4_058_340,
        "sam",
    ),
    Entry(
        "medsam",
        "MedSAM, ViT-B",
        "medsam",
        "hub",
        "wanglab/medsam-vit-base",
        "https://github.com/bowang-lab/MedSAM",
        "Apache-2.0",
        "Ma et al. 2024, Segment anything in medical images, Nature Communications 15:654",
        1024,
        "vit-b",
        93_735_472,
        89_670_912,
        4_058_340,
        "medsam",
        multimask=False,
        note="Trained with boxes and a single mask; points are untrained.",
    ),
    Entry(
        "sam-med2d",
        "SAM-Med2D, ViT-B at 256 pixels with adapters",
        "sam-med2d",
        "file",
        "",
        "https://github.com/OpenGVLab/SAM-Med2D",
        "Apache-2.0",
        "Cheng et al. 2023, SAM-Med2D, arXiv 2308.16184",
        256,
        "vit-b",
        preprocessing="sammed2d",
        note="Download sam-med2d_b.pth and give its path.",
    ),
    Entry(
        "samed",
        "SAMed, LoRA on ViT-B at 512 pixels",
        "samed",
        "file",
        "",
        "https://github.com/hitachinsk/SAMed",
        "Apache-2.0 (code)",
        "Zhang and Liu 2023, Customized Segment Anything Model for Medical Image Segmentation, arXiv 2304.13785",
        512,
        "vit-b",
        preprocessing="samed",
        note='Download epoch_159.pth, then load_model("sam-vit-b", adapter="epoch_159.pth").',
    ),
    Entry(
        "medical-sam-adapter",
        "Medical SAM Adapter, adapters on ViT-B",
        "medical-sam-adapter",
        "file",
        "",
        "https://github.com/MedicineToken/Medical-SAM-Adapter",
        "GPL-3.0 (code)",
        "Wu et al. 2023, Medical SAM Adapter, arXiv 2304.12620",
        1024,
        "vit-b",
        preprocessing="msa",
        note="Give the path of the file that its training wrote.",
    ),
    Entry(
        "sam-hq-vit-b",
        "SAM-HQ, ViT-B",
        "sam-hq",
        "hub",
        "syscv-community/sam-hq-vit-base",
        _HQ_URL,
        "Apache-2.0",
        _HQ,
        1024,
        "hq-vit-b",
        94_806_576,
        89_670_912,
        5_129_444,
        "sam",
        note="The mask of high quality alone with hq_token_only.",
    ),
    Entry(
        "sam-hq-vit-l",
        "SAM-HQ, ViT-L",
        "sam-hq",
        "hub",
        "syscv-community/sam-hq-vit-large",
        _HQ_URL,
        "Apache-2.0",
        _HQ,
        1024,
        "hq-vit-l",
        313_676_080,
        308_278_272,
        5_391_588,
        "sam",
    ),
    Entry(
        "sam-hq-vit-h",
        "SAM-HQ, ViT-H",
        "sam-hq",
        "hub",
        "syscv-community/sam-hq-vit-huge",
        _HQ_URL,
        "Apache-2.0",
        _HQ,
        1024,
        "hq-vit-h",
        642_686_000,
        637_026_048,
        5_653_732,
        "sam",
    ),
    Entry(
        "edgetam",
        "EdgeTAM, RepViT-M1",
        "edgetam",
        "hub",
        "yonigozlan/EdgeTAM-hf",
        "https://github.com/facebookresearch/EdgeTAM",
        "Apache-2.0",
        "Zhou et al. 2025, EdgeTAM: On-Device Track Anything Model, arXiv 2501.07256",
        1024,
        "repvit-m1",
        13_895_794,
        4_899_056,
        4_215_109,
        "sam2",
        note="Any image size that is a multiple of 32; its memory takes multiples of 256.",
    ),
    Entry(
        "sam3",
        "SAM 3, ViT-L+",
        "sam3",
        "hub",
        "facebook/sam3",
        "https://github.com/facebookresearch/sam3",
        "SAM License (gated, restricted use)",
        "Carion et al. 2025, SAM 3: Segment Anything with Concepts, arXiv 2511.16719",
        1008,
        "sam3",
        465_782_146,
        454_038_784,
        4_215_109,
        "sam3",
        note="Points, boxes, masks and memory; its detector of concepts (words) is left out.",
        gated=True,
    ),
    Entry(
        "sam2.1-hiera-tiny",
        "SAM 2.1, Hiera-T",
        "sam2",
        "hub",
        "facebook/sam2.1-hiera-tiny",
        _SAM2_URL,
        "Apache-2.0",
        _SAM2,
        1024,
        "hiera-tiny",
        38_962_498,
        27_219_136,
        4_215_109,
        "sam2",
        note="Any image size that is a multiple of 32; carries masks through slices by its memory.",
    ),
    Entry(
        "sam2.1-hiera-small",
        "SAM 2.1, Hiera-S",
        "sam2",
        "hub",
        "facebook/sam2.1-hiera-small",
        _SAM2_URL,
        "Apache-2.0",
        _SAM2,
        1024,
        "hiera-small",
        46_060_354,
        34_316_992,
        4_215_109,
        "sam2",
    ),
    Entry(
        "sam2.1-hiera-base-plus",
        "SAM 2.1, Hiera-B+",
        "sam2",
        "hub",
        "facebook/sam2.1-hiera-base-plus",
        _SAM2_URL,
        "Apache-2.0",
        _SAM2,
        1024,
        "hiera-base-plus",
        80_850_178,
        69_106_816,
        4_215_109,
        "sam2",
    ),
    Entry(
        "sam2.1-hiera-large",
        "SAM 2.1, Hiera-L",
        "sam2",
        "hub",
        "facebook/sam2.1-hiera-large",
        _SAM2_URL,
        "Apache-2.0",
        _SAM2,
        1024,
        "hiera-large",
        224_446_642,
        212_703_280,
        4_215_109,
        "sam2",
    ),
    Entry(
        "sam2-hiera-tiny",
        "SAM 2, Hiera-T",
        "sam2",
        "hub",
        "facebook/sam2-hiera-tiny",
        _SAM2_URL,
        "Apache-2.0",
        _SAM2,
        1024,
        "hiera-tiny",
        38_945_986,
        27_219_136,
        4_215_109,
        "sam2",
    ),
    Entry(
        "sam2-hiera-small",
        "SAM 2, Hiera-S",
        "sam2",
        "hub",
        "facebook/sam2-hiera-small",
        _SAM2_URL,
        "Apache-2.0",
        _SAM2,
        1024,
        "hiera-small",
        46_043_842,
        34_316_992,
        4_215_109,
        "sam2",
    ),
    Entry(
        "sam2-hiera-base-plus",
        "SAM 2, Hiera-B+",
        "sam2",
        "hub",
        "facebook/sam2-hiera-base-plus",
        _SAM2_URL,
        "Apache-2.0",
        _SAM2,
        1024,
        "hiera-base-plus",
        80_833_666,
        69_106_816,
        4_215_109,
        "sam2",
    ),
    Entry(
        "sam2-hiera-large",
        "SAM 2, Hiera-L",
        "sam2",
        "hub",
        "facebook/sam2-hiera-large",
        _SAM2_URL,
        "Apache-2.0",
        _SAM2,
        1024,
        "hiera-large",
        224_430_130,
        212_703_280,
        4_215_109,
        "sam2",
    ),
    Entry(
        "unet",
        "U-Net, a specialist trained from nothing",
        "specialist",
        "untrained",
        "",
        "",
        "Apache-2.0",
        "Ronneberger et al. 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI",
        0,
        note="Takes the image size and intensities of your store; width and depth with -s specialist.width, .depth.",
    ),
    Entry(
        "deeplabv3plus",
        "DeepLabV3+, a specialist trained from nothing",
        "specialist",
        "untrained",
        "",
        "",
        "Apache-2.0",
        "Chen et al. 2018, Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV",
        0,
        note="ResNet-50, 18 or 34 (-s specialist.backbone); ImageNet weights from a file with specialist.weights.",
    ),
)

_BY_NAME = {entry.name: entry for entry in _ENTRIES}


def entries() -> tuple[Entry, ...]:
    """All published models, in order of size within a family."""
    return _ENTRIES


def names() -> tuple[str, ...]:
    """Names of all entries."""
    return tuple(_BY_NAME)


def find(name: str) -> Entry | None:
    """Entry by name or by its hub repository; None where there is none."""
    return _BY_NAME.get(name) or next((entry for entry in _ENTRIES if entry.hub_id and entry.hub_id == name), None)


def licence_of(name: str, family: str) -> str:
    """Licence of a model by its name, or of the published models of its family; "" if neither is in the catalog."""
    entry = find(name)
    if entry is not None:
        return entry.licence
    return next((entry.licence for entry in _ENTRIES if entry.family == family.removesuffix("-lora")), "")


def get(name: str) -> Entry:
    """Entry by name or by its hub repository.

    Raises
    ------
    CheckpointError
        If the catalog has no such entry; names the nearest.
    """
    entry = find(name)
    if entry is None:
        raise CheckpointError(f"no model is called {name!r}{_nearest(name)}", remedy=f"Known: {', '.join(_BY_NAME)}.")
    return entry


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, _BY_NAME, 1)
    return f"; did you mean {close[0]!r}?" if close else ""
