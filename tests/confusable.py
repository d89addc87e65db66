"""Names that look alike, sort alike or break what they are put into: for tests of who meets whom."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

from hypothesis import strategies as st

BAD = (
    "root", "../../etc", ".", "$(id)", "`id`", "a;reboot", "<svg onload=alert(1)>", "=cmd|'/c'!A1",
    "@SUM(1+1)", "a/b", "A", "a", "\u0430", "🙂", "👩‍🎓", "x" * 255, "x" * 256, "nul\0", "nul",
    "{{7*7}}", "%(name)s", "${jndi:x}", "'; DROP TABLE claims; --", '" onmouseover="x', "a\r\nSet-Cookie: x",
    "\u202etxt", "aws:tag", "gpuspawner:hub", "ıI", "ß", "ﬁ", "\ud800", "\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\u00c5", "\u212b", "A\u030a",
    "</script><script>alert(1)</script>", "-rf", "a b", " a", "a ", "a\u00a0", "a\u200b", "\ufeffa", "",
)  # fmt: skip
"""What is known to have broken something somewhere."""

LOOKALIKE = str.maketrans("aceopxyKA", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u212a\u0391")
"""Latin to Cyrillic, the Kelvin sign and Greek."""

_CHANGES = (
    str.upper, str.lower, str.title, str.casefold, str.swapcase,
    *(lambda text, form=form: unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    lambda text: text.translate(LOOKALIKE),
    *(lambda text, mark=mark: text + mark for mark in (" ", "\t", "\n", "\0", "\u00a0", "\u200b", "\u200d", "\ufeff", ".", "-", "/")),
    *(lambda text, mark=mark: mark + text for mark in (" ", "\0", "\u202e", "-", "./", "\ufeff")),
    str.strip, lambda text: text[:255], lambda text: text[:1024], lambda text: text * 40,
    lambda text: quote(text.encode("utf-8", "surrogatepass")),
    lambda text: text.encode("ascii", "backslashreplace").decode(),
    lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    lambda text: text.encode("ascii", "replace").decode(),
    lambda text: text.replace("-", "_"), lambda text: text.replace(" ", ""), lambda text: text[::-1],
    lambda text: text.replace('"', '\\"'), lambda text: f'{text}", "{text}',
)  # fmt: skip

NAMES = st.one_of(
    st.sampled_from(BAD),
    st.text(st.characters(), max_size=12),
    st.text("aAbB-_./1 \u0430\u0301é", min_size=1, max_size=8),
)
"""Texts of every kind, unpaired surrogates and NUL among them."""


@st.composite
def lookalikes(draw) -> tuple[str, str]:
    """Two names, mostly different, of which the second was made from the first."""
    first = draw(NAMES)
    second = first
    for change in draw(st.lists(st.sampled_from(_CHANGES), min_size=1, max_size=2)):
        second = change(second)
    return first, second


@st.composite
def split_alike(draw) -> tuple[tuple[str, str], tuple[str, str]]:
    """Two pairs of user and server whose texts are the same when they are put together."""
    separator = draw(st.sampled_from(("", "-", "--", "/", ".", "_", "\0", "\n", '", "', " ")))
    parts = draw(st.lists(NAMES, min_size=2, max_size=4))
    cuts = st.integers(0, len(parts))

    def cut(at: int) -> tuple[str, str]:
        return separator.join(parts[:at]), separator.join(parts[at:])

    return cut(draw(cuts)), cut(draw(cuts))
