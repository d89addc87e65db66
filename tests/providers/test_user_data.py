"""What a machine is told at its first boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuspawner.errors import InvalidSpec
from gpuspawner.providers.user_data import LIMIT, render

GOLDEN = Path(__file__).with_name("user_data.golden")
URL = "https://hub.example.org/services/gpuspawner/api/v1/agent"
TICKET = "5b6f9d7e-3f0a-4c39-9f2e-0d8f6f8f6c11.0123abcd"


def test_it_is_the_golden_file_to_the_byte():
    assert render(URL, TICKET) == GOLDEN.read_bytes()


def test_another_ticket_changes_the_ticket_and_nothing_else():
    assert render(URL, "other") == GOLDEN.read_bytes().replace(TICKET.encode(), b"other")


def test_an_authority_is_in_it_when_there_is_one_and_not_otherwise():
    assert b'"ca": "-----BEGIN\\n"' in render(URL, TICKET, "-----BEGIN\n")
    assert b"ca" not in render(URL, TICKET).replace(TICKET.encode(), b"")


def test_it_is_two_lines_whatever_is_in_it():
    assert render(URL, "a\nb", "c\nd").count(b"\n") == 2


def test_sixteen_kibibytes_fit_and_a_byte_more_does_not():
    room = LIMIT - len(render(URL, TICKET, "x")) + 1
    assert len(render(URL, TICKET, "x" * room)) == LIMIT
    with pytest.raises(InvalidSpec):
        render(URL, TICKET, "x" * (room + 1))
