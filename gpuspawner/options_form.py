"""The form on the start page: one card a machine, plain HTML that works without JavaScript.

Each card is a label around a radio button, so it works by keyboard and is read aloud as one thing.
Everything that comes from a configuration or from the controller is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gpuspawner import wallets
from gpuspawner.language import Sentence, _, in_all_languages, say
from gpuspawner.profiles import Choice, Option, Profile
from gpuspawner.selection import default_choice, default_profile
from gpuspawner.spawner_card import price_text
from gpuspawner.views import SizeCard
from gpuspawner.wallets import Wallet

_LEGEND = say(_("Choose a machine"))
_NOTHING = say(_("No machine is set up for you here. Ask your teacher to add you to a group."))
_SILENT = say(
    _(
        "Prices and figures are not known now, since the service that runs the machines does not answer."
    )
)
_NOT_NOW = say(_("Not available now"))


def render(
    profiles: Sequence[Profile],
    sizes: Mapping[str, SizeCard],
    *,
    heard: bool,
    picked: Mapping[str, Any],
    wallet: Wallet | None = None,
) -> str:
    """The fields of the form, without the `<form>` itself.

    Args:
        profiles: what this student may have.
        sizes: what the controller says of the sizes.
        heard: whether it has said anything yet.
        picked: the options of the last start, to begin with.
        wallet: the student's credit; None when it is not known, which is said.
    """
    if not profiles:
        return f'<p class="alert alert-warning" role="alert">{_NOTHING.html()}</p>'
    notice = "" if heard else f'<p class="alert alert-warning">{_SILENT.html()}</p>'
    checked = default_profile(profiles).slug
    if any(profile.slug == picked.get("profile") for profile in profiles):
        checked = str(picked["profile"])
    cards = "".join(
        _card(profile, _size(profile, sizes), profile.slug == checked, picked, wallet)
        for profile in profiles
    )
    return (
        f'{notice}{_balance(wallet) if heard else ""}<fieldset class="gs-machines"><legend>{_LEGEND.html()}</legend>'
        f'<div class="gs-cards">{cards}</div></fieldset>'
    )


def _size(profile: Profile, sizes: Mapping[str, SizeCard]) -> SizeCard | None:
    """The first size of the ladder that exists and can be had, else the first that exists."""
    there = [sizes[size] for size in _ladder(profile) if size in sizes]
    return next((card for card in there if card.available), there[0] if there else None)


def _ladder(profile: Profile) -> Sequence[str]:
    found: Sequence[str] = profile.override.get("sizes", ())
    for option in profile.options:
        found = default_choice(option).override.get("sizes", found)
    return found


def _balance(wallet: Wallet | None) -> str:
    if wallet is not None and not wallet.shown:
        return ""
    text = wallets.balance(wallet) if wallet else wallets.NOT_KNOWN
    return f'<p><span class="gs-chip">{text.html()}</span></p>'


def _card(
    profile: Profile,
    size: SizeCard | None,
    checked: bool,
    picked: Mapping[str, Any],
    wallet: Wallet | None,
) -> str:
    identifier = f"gs-profile-{escape(profile.slug)}"
    away = size is not None and not size.available
    about = (
        f'<p class="gs-about">{in_all_languages(profile.description)}</p>'
        if profile.description
        else ""
    )
    mark = f'<span class="gs-mark">{_NOT_NOW.html()}</span>' if away else ""
    price = (
        f'<span class="gs-price"><strong>{escape(_price(size, wallet))}'
        f"</strong> / {say(_('hour')).html()}</span>"
        if size
        else ""
    )
    return (
        f'<div class="gs-card{" gs-away" if away else ""}">'
        f'<label for="{identifier}"><span class="gs-head">'
        f'<input type="radio" name="profile" id="{identifier}" value="{escape(profile.slug)}"'
        f" required{' checked' if checked else ''}>"
        f'<span class="gs-name">{escape(profile.display_name)}</span>{price}</span>'
        f"{mark}{about}{_facts(size, wallet)}</label>"
        f"{''.join(_option(profile, option, picked) for option in profile.options)}</div>"
    )


def _price(size: SizeCard, wallet: Wallet | None) -> str:
    """What the student pays an hour; what the cloud takes where the course has no price of its own."""
    own = wallet.price_of(size.size) if wallet else None
    return own or price_text(size.price_micros, size.currency)


def _facts(size: SizeCard | None, wallet: Wallet | None) -> str:
    if size is None:
        return ""
    rows: list[tuple[Sentence, Sentence]] = [(say(_("GPU")), _gpu(size))]
    rows.append((say(_("Processors")), say(_("{count} vCPU"), count=size.vcpus)))
    rows.append((say(_("Memory")), say(_("{gib} GiB"), gib=_gib(size.memory_mib))))
    if size.usual_start_seconds:
        rows.append((say(_("Usual start")), _duration(size.usual_start_seconds)))
    own = wallet.sizes.get(size.size) if wallet and wallet.shown else None
    left = wallets.lasts(own.runs_for_seconds) if own else None
    if left:
        rows.append((say(_("Your credit lasts")), left))
    cells = "".join(
        f"<div><dt>{name.html()}</dt><dd>{value.html()}</dd></div>" for name, value in rows
    )
    return f'<dl class="gs-facts">{cells}</dl>'


def _gpu(size: SizeCard) -> Sentence:
    if not size.gpus:
        return say(_("none"))
    return say(
        _("{count} × {gpu}, {gib} GiB"),
        count=size.gpus,
        gpu=size.gpu,
        gib=_gib(size.gpu_memory_mib),
    )


def _gib(mib: int) -> str:
    return f"{mib / 1024:.1f}".removesuffix(".0")


def _duration(seconds: int) -> Sentence:
    if seconds < 90:
        return say(_("about {seconds} s"), seconds=seconds)
    return say(_("about {minutes} min"), minutes=round(seconds / 60))


def _option(profile: Profile, option: Option, picked: Mapping[str, Any]) -> str:
    name = escape(f"profile-option-{profile.slug}--{option.key}")
    chosen = default_choice(option).key
    last = picked.get(option.key) if picked.get("profile") == profile.slug else None
    if any(choice.key == last for choice in option.choices):
        chosen = str(last)
    return (
        f'<div class="gs-option"><label for="{name}">{in_all_languages(option.display_name)}</label>'
        f'<select class="form-select form-select-sm" id="{name}" name="{name}">'
        f"{''.join(_choice(choice, choice.key == chosen) for choice in option.choices)}"
        "</select></div>"
    )


def _choice(choice: Choice, chosen: bool) -> str:
    mark = " selected" if chosen else ""
    return f'<option value="{escape(choice.key)}"{mark}>{escape(choice.display_name)}</option>'
