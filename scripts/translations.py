"""Bring the translations up to date: collect the sentences, update the catalogues, compile them.

A sentence is what stands in `_("…")` in a package, or in `trans.__('…')` in the front end. A sentence that has gone is dropped; a new
one has an empty translation, which a test refuses. Nothing is guessed: a guess looks finished.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gpuspawner", "labs_extension")
"""Each has a catalogue of its own, since it may be installed without the other."""

FRONT_END = "gpuspawner_labs"
"""The catalogue of what JupyterLab shows. JupyterLab asks the package for it by this name, its
entry point of the group `jupyterlab.locale`, and by the name that its own language packs have."""

CATALOGUES = (*PACKAGES, FRONT_END)

LANGUAGES = ("ko",)
"""The languages that have a catalogue. English is the language of the sentences themselves."""

METHODS = [
    ("**.py", "python"),
    ("**/templates/**.html", "jinja2.ext:babel_extract"),
    ("src/**.ts", "javascript"),
    ("src/**.tsx", "javascript"),
]
_OPTIONS = {"**/templates/**.html": {"silent": "false"}, "src/**.tsx": {"jsx_encoding": "true"}}
_LAB_NAMES = {"ko": "ko_KR"}


def folder(package: str) -> str:
    """The package that has the sentences of a catalogue."""
    return PACKAGES[1] if package == FRONT_END else package


def po_path(language: str, package: str = PACKAGES[0]) -> Path:
    """The catalogue that people edit."""
    name = _LAB_NAMES[language] if package == FRONT_END else language
    return ROOT / folder(package) / "locale" / name / "LC_MESSAGES" / f"{package}.po"


def extracted(package: str = PACKAGES[0]) -> dict[str, list[str]]:
    """Every sentence of the catalogue, with the files that it is in."""
    found: dict[str, list[str]] = {}
    keyword = "__" if package == FRONT_END else "_"
    for name, _line, message, _comments, _context in extract_from_dir(
        ROOT / folder(package),
        METHODS,
        _OPTIONS,
        keywords={keyword: None},
        directory_filter=lambda path: Path(path).name not in {"node_modules", "lib"},
    ):
        if not isinstance(message, str):
            raise TypeError(f"{name}: _() takes one sentence, not {message!r}")
        if message and name not in found.setdefault(message, []):
            found[message].append(name)
    return found


def read(language: str, package: str = PACKAGES[0]) -> Catalog:
    """The catalogue as it is on disk, empty when there is none."""
    path = po_path(language, package)
    if not path.exists():
        return Catalog(locale=language, domain=package)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=package)


def updated(language: str, package: str = PACKAGES[0]) -> Catalog:
    """The catalogue with exactly the sentences of the package, keeping what is translated."""
    old = read(language, package)
    new = Catalog(
        locale=language,
        domain=package,
        header_comment=f"# {package}'s sentences in '{language}'. 'make locale' keeps it up to date.",
        project=package,
        version="1",
        fuzzy=False,
    )
    for sentence, names in sorted(extracted(package).items()):
        known = old.get(sentence)
        # The file, not the line: a moved line is no news for a translator.
        new.add(
            sentence,
            known.string if known else "",
            locations=[(f"{folder(package)}/{name}", 0) for name in sorted(names)],
            flags=known.flags - {"python-format"} if known else (),
            user_comments=known.user_comments if known else (),
        )
        new[sentence].flags.discard("python-format")
    return new


def po_bytes(catalogue: Catalog) -> bytes:
    """The catalogue as a file, the same for the same sentences: no dates, no line numbers."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=100, include_lineno=False, omit_header=False)
    text = buffer.getvalue().decode()
    header = re.compile(
        r'^"(POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|Language-Team|Report-Msgid-Bugs-To).*\n',
        re.MULTILINE,
    )
    return header.sub("", text).encode()


def mo_bytes(catalogue: Catalog) -> bytes:
    """The catalogue as gettext reads it."""
    buffer = io.BytesIO()
    copy = read_po(io.BytesIO(po_bytes(catalogue)), domain=catalogue.domain)
    # Otherwise it is the moment of the compilation, and no two files are the same.
    copy.creation_date = copy.revision_date = datetime(2026, 1, 1, tzinfo=timezone.utc)
    write_mo(buffer, copy)
    return buffer.getvalue()


def json_bytes(catalogue: Catalog) -> bytes:
    """The catalogue as JupyterLab reads it: the form of its language packs."""
    head = {
        "domain": catalogue.domain,
        "language": _LAB_NAMES[str(catalogue.locale)].replace("_", "-"),
        "plural_forms": catalogue.plural_forms,
        # Where a language pack has our sentences too, JupyterLab takes the later version.
        "version": catalogue.version,
    }
    sentences = {one.id: [one.string] for one in catalogue if one.id and one.string}
    return (json.dumps({"": head, **sentences}, ensure_ascii=False, indent=1) + "\n").encode()


def compiled(language: str, package: str) -> tuple[Path, bytes]:
    """The file that the programs read, and what it is to hold."""
    path, catalogue = po_path(language, package), read(language, package)
    if package == FRONT_END:
        return path.with_suffix(".json"), json_bytes(catalogue)
    return path.with_suffix(".mo"), mo_bytes(catalogue)


def main() -> int:
    """Update and compile every catalogue; 1 when a sentence is not translated yet."""
    missing = 0
    for language, package in itertools.product(LANGUAGES, CATALOGUES):
        catalogue = updated(language, package)
        path = po_path(language, package)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(po_bytes(catalogue))
        target, content = compiled(language, package)
        target.write_bytes(content)
        empty = [message.id for message in catalogue if message.id and not message.string]
        missing += len(empty)
        print(f"{language}, {package}: {len(catalogue)} sentences, {len(empty)} not translated")
        for sentence in empty:
            print(f"  {sentence}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
