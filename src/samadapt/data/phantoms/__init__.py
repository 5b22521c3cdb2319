"""Labelled phantoms of abdominal CT in FLARE22's layout, and the function behind `samadapt synth`."""

from __future__ import annotations

from samadapt.data.phantoms.case import PhantomCase, make_case, phantom
from samadapt.data.phantoms.config import SynthConfig
from samadapt.data.phantoms.flare22 import write_flare22
from samadapt.data.phantoms.generate import synth, write_scenes
from samadapt.data.phantoms.multiphase import PHASES, write_multiphase

__all__ = [
    "PHASES",
    "PhantomCase",
    "SynthConfig",
    "make_case",
    "phantom",
    "synth",
    "write_flare22",
    "write_multiphase",
    "write_scenes",
]
