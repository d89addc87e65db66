"""Plots in which Korean is drawn: without a font that has it, matplotlib draws boxes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

KOREAN_FONTS = (
    "NanumGothic",
    "NanumBarunGothic",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    # One file holds the signs of all of East Asia, and matplotlib reads the first of its names.
    "Noto Sans CJK JP",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
)
"""Best first: of Debian's fonts-nanum and fonts-noto-cjk, of Windows and of a Mac."""

_FILES = ("NanumGothic.ttf", "NotoSansCJK-Regular.ttc", "NotoSansKR-Regular.otf")

log = logging.getLogger(__name__)


def draw_korean() -> str | None:
    """Have matplotlib take Korean from a font that has it; the font's name, None when there is none.

    Latin stays in matplotlib's own font, which has all signs of mathematics.
    """
    from matplotlib import font_manager, rcParams  # noqa: PLC0415 - takes half a second

    found = _first(entry.name for entry in font_manager.fontManager.ttflist)
    if found is None:
        # matplotlib keeps a list of the fonts; a font that came later is not in it.
        for file in font_manager.findSystemFonts():
            if Path(file).name in _FILES:
                font_manager.fontManager.addfont(file)
        found = _first(entry.name for entry in font_manager.fontManager.ttflist)
    rcParams["font.family"] = ["DejaVu Sans", *([found] if found else [])]
    if found is None:
        log.warning("no font with Korean: on Debian, apt-get install fonts-nanum")
    return found


def _first(installed: Iterable[str]) -> str | None:
    there = {*installed}
    return next((name for name in KOREAN_FONTS if name in there), None)
