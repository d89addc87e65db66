"""The list an admin writes, and what a student sends, as tables."""

from __future__ import annotations

import math

import pytest

from gpuspawner.errors import ConfigurationError, SpecificationRefused
from gpuspawner.model import Reason, Specification
from gpuspawner.options_form import render
from gpuspawner.profiles import load, slugify
from gpuspawner.selection import from_form, select, visible
from gpuspawner.views import SizeCard

T4 = {"display_name": "T4 GPU", "gpuspawner_override": {"sizes": ["g4dn.xlarge"]}}
BIG = {
    "display_name": "Big GPU",
    "slug": "big",
    "groups": ["thesis"],
    "gpuspawner_override": {"sizes": ["p4d", "p3"], "home_gib": 100, "disk_gib": 80},
}
SOFTWARE = {
    "software": {
        "display_name": "Software",
        "choices": {
            "tf": {"display_name": "TensorFlow"},
            "torch": {
                "display_name": "PyTorch",
                "default": True,
                "gpuspawner_override": {"image": "torch-1"},
            },
            "new": {"display_name": "Nightly", "groups": ["thesis"]},
        },
    }
}
LIST = [T4 | {"profile_options": SOFTWARE}, BIG]


def _mine(*groups: str):
    return visible(load(LIST), groups)


# -- the admin's list -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([], "at least one machine"),
        ({}, "at least one machine"),
        (["t4"], "profile_list[0]: must be a dict"),
        ([T4 | {"disply_name": "x"}], "'disply_name' is not known; did you mean 'display_name'?"),
        (
            [{"display_name": "A", "kubespawner_override": {}}],
            "did you mean 'gpuspawner_override'?",
        ),
        ([{"gpuspawner_override": {"sizes": ["a"]}}], "display_name: is missing"),
        ([T4 | {"display_name": 4}], "display_name: must be a text"),
        ([{"display_name": "A"}], "has no sizes"),
        ([T4 | {"gpuspawner_override": {"sizes": []}}], "sizes: must be a list of texts"),
        ([T4 | {"gpuspawner_override": {"sizes": "g4dn"}}], "sizes: must be a list of texts"),
        ([T4 | {"gpuspawner_override": {"sizes": ["a", "a"]}}], "the size 'a' is there twice"),
        ([T4 | {"gpuspawner_override": {"size": ["a"]}}], "did you mean 'sizes'?"),
        ([T4 | {"gpuspawner_override": {"sizes": ["a"], "home_gib": 0}}], "home_gib: must be"),
        ([T4 | {"gpuspawner_override": {"sizes": ["a"], "disk_gib": True}}], "disk_gib: must be"),
        ([T4 | {"gpuspawner_override": {"sizes": ["a"], "disk_gib": "60"}}], "disk_gib: must be"),
        ([T4, T4], "the slug 't4-gpu' is there twice"),
        ([T4, BIG | {"slug": "t4-gpu"}], "the slug 't4-gpu' is there twice"),
        ([T4 | {"slug": "T4 GPU"}], "'T4 GPU' must be lower-case"),
        ([T4 | {"display_name": "그래픽 카드"}], "slug: '' must be lower-case"),
        ([T4 | {"description": {"fr": "x"}}], "description: the key 'fr' is not known"),
        ([T4 | {"description": {"ko": 4}}], "description.ko: must be a text"),
        ([T4 | {"description": {}}], "description: must have a text in one language at least"),
        ([T4 | {"default": "yes"}], "default: must be True or False"),
        ([T4 | {"default": True}, BIG | {"default": True}], "more than one machine is the default"),
        ([T4 | {"groups": "thesis"}], "groups: must be a list of texts"),
        ([T4 | {"groups": []}], "groups: must be a list of texts"),
        ([T4 | {"profile_options": []}], "profile_options: must be a dict"),
        ([T4 | {"profile_options": {"profile": {}}}], "cannot be the name of an option"),
        ([T4 | {"profile_options": {"image": {"choices": {}}}}], "has no choices"),
        ([T4 | {"profile_options": {"image": {"choises": {}}}}], "did you mean 'choices'?"),
    ],
)
def test_a_mistake_in_the_list_is_refused_by_name(entries, says):
    with pytest.raises(ConfigurationError) as refused:
        load(entries)
    assert says in refused.value.detail
    assert refused.value.detail.startswith("c.GPUSpawner.profile_list")


def test_a_list_without_mistakes_is_read():
    t4, big = load(LIST)
    assert (t4.slug, t4.groups, t4.override) == ("t4-gpu", None, {"sizes": ("g4dn.xlarge",)})
    assert (big.slug, big.groups) == ("big", frozenset({"thesis"}))


def test_sizes_may_be_left_to_an_option_whose_choices_all_say_them():
    sized = {"choices": {"s": {"gpuspawner_override": {"sizes": ["a"]}}}}
    (profile,) = load([{"display_name": "A", "profile_options": {"size": sized}}])
    assert select([profile], {}).specification().sizes == ("a",)


@pytest.mark.parametrize(
    ("name", "slug"), [("T4 GPU (16 GiB)", "t4-gpu-16-gib"), ("  x ", "x"), ("그래픽", "")]
)
def test_a_slug_is_made_from_the_name(name, slug):
    assert slugify(name) == slug


# -- the student's choice -------------------------------------------------------------------


def test_no_options_at_all_are_the_default_machine():
    assert select(_mine(), {}).specification() == Specification(
        "t4-gpu", "T4 GPU · PyTorch", ("g4dn.xlarge",), image="torch-1"
    )


def test_the_choice_of_an_option_changes_the_machine():
    chosen = select(_mine(), {"profile": "t4-gpu", "software": "tf"}).specification()
    assert chosen == Specification("t4-gpu", "T4 GPU · TensorFlow", ("g4dn.xlarge",))


def test_a_member_of_the_group_may_have_its_machine():
    assert select(_mine("thesis"), {"profile": "big"}).specification() == Specification(
        "big", "Big GPU", ("p4d", "p3"), disk_gib=80, home_gib=100
    )


def test_somebody_else_may_not_have_it_nor_read_of_it():
    with pytest.raises(SpecificationRefused) as refused:
        select(_mine("other"), {"profile": "big"})
    assert "Pick one of: t4-gpu." in refused.value.public.text()


def test_a_choice_for_a_group_is_for_its_members_only():
    assert select(_mine("thesis"), {"software": "new"}).specification().image == ""
    with pytest.raises(SpecificationRefused):
        select(_mine(), {"software": "new"})


def test_who_may_have_nothing_is_told_whom_to_ask():
    with pytest.raises(SpecificationRefused) as refused:
        select((), {})
    assert "Ask your teacher" in refused.value.public.text()


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "no such"},
        {"profile": ["t4-gpu"]},
        {"profile": {"slug": "t4-gpu"}},
        {"profile": None},
        {"profile": True},
        {"profile": math.nan},
        {"profile": 1e308},
        {"profile": "x" * 10_000},
        {"profile": "\ud800\x00\n<b>{sizes}</b>"},
        {"software": "no such"},
        {"software": ["tf"]},
        {"software": {}},
        {"sizes": ["p4d.24xlarge"]},
        {"image": "mine"},
        {"gpuspawner_override": {"sizes": ["p4d"]}},
        {7: 8},
        {"x" * 10_000: 1},
        ["t4-gpu"],
        "t4-gpu",
        None,
        7,
    ],
)
def test_whatever_is_not_on_offer_is_refused_with_a_short_sentence(options):
    with pytest.raises(SpecificationRefused) as refused:
        select(_mine(), options)
    sentence = refused.value.public
    assert refused.value.reason is Reason.OPTIONS
    for text in (sentence.text("en"), sentence.text("ko"), sentence.html()):
        text.encode("utf-8")
        assert len(text) < 1000
    assert "<b>" not in sentence.html()


def test_a_refusal_names_what_is_allowed():
    with pytest.raises(SpecificationRefused) as refused:
        select(_mine(), {"software": "tensorflow"})
    assert refused.value.public.text() == (
        "“tensorflow” is not to be had as “software” here. Pick one of: tf, torch."
    )


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ({}, {}),
        ({"profile": ["big"]}, {"profile": "big"}),
        (
            {"profile": ["t4"], "profile-option-t4--os": ["a"], "profile-option-big--os": ["b"]},
            {"profile": "t4", "os": "a"},
        ),
        ({"profile": ["t4", "big"]}, {"profile": ["t4", "big"]}),
        (
            {"profile": ["t4"], "software": ["tf"], "_xsrf": ["x"]},
            {"profile": "t4", "software": "tf"},
        ),
    ],
)
def test_a_form_or_a_link_becomes_options(form, options):
    assert from_form(form) == options


# -- the cards ------------------------------------------------------------------------------

CARD = SizeCard("g4dn.xlarge", 4, 16384, "NVIDIA T4", 1, 16384, 526_000, "USD", True, 210)


def _form(profiles=None, sizes=None, *, heard=True, picked=None):
    return render(
        _mine() if profiles is None else profiles,
        {"g4dn.xlarge": CARD} if sizes is None else sizes,
        heard=heard,
        picked=picked or {},
    )


def test_a_card_shows_the_figures_and_the_price():
    form = _form()
    for shown in ("$0.526", "1 × NVIDIA T4, 16 GiB", "4 vCPU", "16 GiB", "about 4 min"):
        assert shown in form
    assert "Not available now" not in form


def test_a_card_says_when_the_machine_is_not_to_be_had():
    away = SizeCard("g4dn.xlarge", 4, 16384, "T4", 1, 16384, 526_000, "USD", False)
    assert "Not available now" in _form(sizes={"g4dn.xlarge": away})


def test_a_size_further_down_the_ladder_stands_in_for_one_that_is_not_to_be_had():
    away = SizeCard("p4d", 96, 16384, "A100", 8, 16384, 32_000_000, "USD", False)
    there = SizeCard("p3", 8, 16384, "V100", 1, 16384, 3_060_000, "USD", True)
    form = _form(_mine("thesis"), {"p4d": away, "p3": there})
    assert "$3.06" in form
    assert "$32" not in form


def test_without_the_controller_the_cards_have_no_figures_and_say_why():
    form = _form(sizes={}, heard=False)
    assert "does not answer" in form
    assert 'value="t4-gpu"' in form
    assert "$" not in form


def test_with_the_controller_there_is_no_such_notice():
    assert "does not answer" not in _form()


def test_exactly_one_card_is_chosen_to_begin_with():
    assert _form(_mine("thesis")).count(" checked") == 1


def test_the_last_choice_is_chosen_again_and_a_stale_one_is_not():
    assert 'value="big" required checked' in _form(_mine("thesis"), picked={"profile": "big"})
    assert 'value="t4-gpu" required checked' in _form(picked={"profile": "gone"})
    again = _form(picked={"profile": "t4-gpu", "software": "tf"})
    assert '<option value="tf" selected>' in again


def test_a_card_speaks_the_readers_language_where_the_admin_has_written_it():
    asked = SOFTWARE["software"] | {"display_name": {"en": "Software", "ko": "소프트웨어"}}
    profiles = load(
        [
            T4
            | {
                "description": {"en": "For the course", "ko": "수업용"},
                "profile_options": {"software": asked},
            },
            BIG | {"description": {"ko": "프로젝트용"}},
        ]
    )
    form = _form(profiles)
    for language, text in (
        ("en", "For the course"), ("ko", "수업용"), ("en", "프로젝트용"), ("ko", "소프트웨어"),
    ):  # fmt: skip
        assert f'<span class="gpuspawner-say" lang="{language}">{text}</span>' in form


def test_nothing_in_a_card_can_break_out_of_it():
    bad = "\"><script>alert('x')</script>"
    profiles = load([T4 | {"display_name": bad, "slug": "x", "description": bad}])
    card = SizeCard("g4dn.xlarge", 4, 1024, bad, 1, 1024, 1, bad, True)
    assert "<script>" not in _form(profiles, {"g4dn.xlarge": card})


def test_who_may_have_nothing_sees_whom_to_ask():
    assert "Ask your teacher" in _form(())
