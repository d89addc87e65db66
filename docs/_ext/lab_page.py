"""The settings of the lab, from its code."""

from __future__ import annotations

import inspect

from labs_extension.extension import LabsExtension


def lab_settings() -> str:
    """Every setting of the extension's own, with its help."""
    rows = [
        f"| `c.LabsExtension.{name}` | {' '.join(inspect.cleandoc(trait.help).split())} |"
        for name, trait in sorted(LabsExtension.class_own_traits(config=True).items())
    ]
    return "\n".join(["| setting | what it does |", "|---|---|", *rows])
