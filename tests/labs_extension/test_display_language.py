"""JupyterLab speaks the hub's language until its student has chosen one."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from jupyterlab_server.translation_utils import is_valid_locale

from labs_extension.display_language import LOCALES, follow, follow_hub, packs, settings_folder
from labs_extension.language import LANGUAGES

PLUGIN = "@jupyterlab/translation-extension/plugin.jupyterlab-settings"
KO = {"ko_KR"}


def locale_in(folder: Path) -> str | None:
    file = folder / PLUGIN
    if not file.exists():
        return None
    return json.loads(re.sub(r"^//.*", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE))[
        "locale"
    ]


def test_every_language_but_english_has_a_name_in_jupyterlab_and_a_pack():
    assert {"en", *LOCALES} == set(LANGUAGES)
    assert all(is_valid_locale(locale) for locale in LOCALES.values())
    assert set(LOCALES.values()) <= packs()


def test_a_korean_student_finds_jupyterlab_in_korean(tmp_path):
    follow(tmp_path, "ko", KO)
    assert locale_in(tmp_path) == "ko_KR"


def test_whoever_reads_the_hub_in_another_language_the_next_day_finds_that_one(tmp_path):
    for language, locale in (("ko", "ko_KR"), ("en", None), ("ko", "ko_KR"), ("", "ko_KR")):
        follow(tmp_path, language, KO)
        assert locale_in(tmp_path) == locale, language


@pytest.mark.parametrize(
    "chosen", ['{"locale": "en"}', '{"locale": "ko_KR"}', "{}", "", "// mine\n"]
)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_what_a_student_has_set_is_left_as_it_is(tmp_path, chosen, language):
    file = tmp_path / PLUGIN
    file.parent.mkdir(parents=True)
    file.write_text(chosen, encoding="utf-8")
    follow(tmp_path, language, KO)
    assert file.read_text(encoding="utf-8") == chosen


def test_without_the_pack_it_stays_english(tmp_path):
    follow(tmp_path, "ko", ())
    assert locale_in(tmp_path) is None


@pytest.mark.parametrize("there", [b"\xff\xfe", None])
def test_a_broken_home_is_no_obstacle(tmp_path, there, caplog):
    if there is None:
        (tmp_path / "@jupyterlab").write_text("a file in the way", encoding="utf-8")
    else:
        (tmp_path / PLUGIN).parent.mkdir(parents=True)
        (tmp_path / PLUGIN).write_bytes(there)
    environment = {"JUPYTERLAB_SETTINGS_DIR": str(tmp_path), "GPUSPAWNER_LANGUAGE": "ko"}
    follow_hub(environment, logging.getLogger("test"))
    assert bool(caplog.records) == (there is None)


def test_it_is_jupyters_own_folder_unless_another_is_named(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", "/somewhere")
    assert settings_folder({}) == Path("/somewhere/lab/user-settings")
    assert settings_folder({"JUPYTERLAB_SETTINGS_DIR": "/set"}) == Path("/set")
