"""Points and boxes from masks: pure functions of a mask and a generator."""

from samadapt.prompts.boxes import box_of, ellipse_in, jitter_box, noisy_box
from samadapt.prompts.clicks import next_point, random_error_points
from samadapt.prompts.points import centre_point, largest_component, random_points
from samadapt.prompts.voxels import middle_box, next_voxel
from samadapt.prompts.zoom import Window, box_around, window_around

__all__ = [
    "Window",
    "box_around",
    "box_of",
    "centre_point",
    "ellipse_in",
    "jitter_box",
    "largest_component",
    "middle_box",
    "next_point",
    "next_voxel",
    "noisy_box",
    "random_error_points",
    "random_points",
    "window_around",
]
