"""The dataset doctor: finds what ruins training, names the case, says why and what to do."""

from samadapt.data.doctor.examine import examine
from samadapt.data.doctor.findings import Diagnosis, Finding
from samadapt.data.doctor.registry import CHECKS, register

__all__ = ["CHECKS", "Diagnosis", "Finding", "examine", "register"]
