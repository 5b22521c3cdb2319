"""Domain-randomised scenes with exact masks: training data for everything that has an edge, made on the fly."""

from __future__ import annotations

from samadapt.data.synthetic.scene import KINDS, Scene, scene
from samadapt.data.synthetic.sheet import contact_sheet

__all__ = ["KINDS", "Scene", "contact_sheet", "scene"]
