"""JupyterLab in the language in which its student reads the hub, until they choose one in JupyterLab."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points
from logging import Logger
from pathlib import Path

from jupyter_core.paths import jupyter_config_dir

VARIABLE = "GPUSPAWNER_LANGUAGE"
"""Where the hub says which language: `en` or `ko`."""

LOCALES = {"ko": "ko_KR"}
"""JupyterLab's names of the languages that need a pack. English needs no setting."""

_SETTING = Path("@jupyterlab", "translation-extension", "plugin.jupyterlab-settings")
_TEXT = """// The language of the hub. Choose another under Settings, Language: then this file is yours.
{{"locale": "{locale}"}}
"""


def settings_folder(environment: Mapping[str, str]) -> Path:
    """Where JupyterLab keeps what its user has set."""
    named = environment.get("JUPYTERLAB_SETTINGS_DIR")
    return Path(named) if named else Path(jupyter_config_dir()) / "lab" / "user-settings"


def packs() -> frozenset[str]:
    """The languages that JupyterLab has a pack for here, by its names."""
    return frozenset(entry_points(group="jupyterlab.languagepack").names)


def follow(folder: Path, language: str, available: Collection[str]) -> None:
    """Set JupyterLab's language, unless somebody has set it already.

    A file is ours for as long as it is exactly what we have once written; any other is left alone.

    Args:
        folder: `settings_folder`.
        language: what the hub says, "" when it says nothing.
        available: `packs`. A language without one is not set, since JupyterLab would complain.

    Raises:
        OSError: the file cannot be read or written.
    """
    file = folder / _SETTING
    try:
        present = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        present = None
    if not language or present not in {None, *map(_text, LOCALES.values())}:
        return
    locale = LOCALES.get(language)
    wanted = _text(locale) if locale in available and locale else None
    if wanted == present:
        return
    if wanted is None:
        file.unlink()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(wanted, encoding="utf-8")
    draft.replace(file)


def follow_hub(environment: Mapping[str, str], log: Logger) -> None:
    """`follow` what the environment says; a home that cannot be written keeps no server from starting."""
    try:
        with contextlib.suppress(UnicodeDecodeError):  # not ours, then
            follow(settings_folder(environment), environment.get(VARIABLE, ""), packs())
    except OSError as error:
        log.warning("JupyterLab's language was not set: %s", error)


def _text(locale: str) -> str:
    return _TEXT.format(locale=locale)
