"""Colours of labels, the same in every picture."""

from __future__ import annotations

import colorsys

_COLORS = (
    *((255, 107, 107), (77, 171, 247), (105, 219, 124), (255, 212, 59), (218, 119, 242), (255, 146, 43)),
    *((56, 217, 169), (247, 131, 172), (116, 143, 252), (192, 235, 117), (102, 217, 232), (232, 190, 144)),
    *((208, 191, 255), (255, 255, 255)),
)


def color_of(label: int) -> tuple[int, int, int]:
    """Colour of a label, light enough for a grey picture; the first fourteen are chosen, the rest go around."""
    if 1 <= label <= len(_COLORS):
        return _COLORS[label - 1]
    red, green, blue = colorsys.hls_to_rgb(label * 0.61803398875 % 1, 0.68, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)
