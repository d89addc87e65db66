"""Every setting says what it does, in words an admin can act on."""

from __future__ import annotations

import pytest
from gpuspawner_docs import setting_traits

from labs_extension.extension import settings as lab_settings

KINDS = {**setting_traits(), "LabsExtension": lab_settings()}
SETTINGS = [
    pytest.param(kind, name, trait, id=f"{kind}.{name}")
    for kind, traits in KINDS.items()
    for name, trait in traits.items()
]


@pytest.mark.parametrize(("kind", "name", "trait"), SETTINGS)
class TestTheHelpOfASetting:
    def test_is_at_least_a_sentence(self, kind, name, trait):
        text = " ".join(trait.help.split())
        assert len(text) > 30, text
        assert text.endswith((".", "`", ")", "/")), text

    def test_says_the_default(self, kind, name, trait):
        assert "default" in trait.help.lower(), trait.help


def test_the_settings_of_every_side_are_looked_at():
    assert {"GPUSpawner", "Controller", "AWS", "Agent", "Credit", "Idle", "Session"} <= set(
        setting_traits()
    )
