"""What the course's notebooks use: checks that tell, plots with Korean, the machine's own facts.

Small on purpose. What a notebook teaches stands in the notebook; here is only what would distract.
"""

from __future__ import annotations

from labs_extension.lesson.camera import camera
from labs_extension.lesson.checks import NotYet, check
from labs_extension.lesson.kaggle import NoCompetition, competition
from labs_extension.lesson.machine import gpu_report, is_kept, machine, session
from labs_extension.lesson.start import QUICK, devices, start
from labs_extension.lesson.words import words

__all__ = [
    "QUICK",
    "NoCompetition",
    "NotYet",
    "camera",
    "check",
    "competition",
    "devices",
    "gpu_report",
    "is_kept",
    "machine",
    "session",
    "start",
    "words",
]
