"""What a cell has shown, as the notebook keeps it: pure."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs_extension.outputs.cell import Outputs
from labs_extension.outputs.text import LONGEST_LINE, Text

PLAIN = 1 << 20


def shown(outputs: Outputs) -> list:
    """The texts, or the data of what is none."""
    return [one.get("text", one.get("data")) for one in outputs.as_notebook()]


def say(outputs: Outputs, text: str, name: str = "stdout") -> None:
    outputs.hear("stream", {"name": name, "text": text})


def picture(text: str, display: str | None = None) -> dict:
    transient = {} if display is None else {"transient": {"display_id": display}}
    return {"data": {"text/plain": text}, "metadata": {}, **transient}


@pytest.mark.parametrize(
    ("printed", "seen"),
    [
        (["one\n", "two\n"], "one\ntwo\n"),
        (["  0%", "\r 50%", "\r100%", "\ndone"], "100%\ndone"),
        (["abcdef\rXY"], "XYcdef"),
        (["ab\b\bX\n"], "X\n"),
        (["first\n\b\rsecond"], "first\nsecond"),
        (["windows\r\n", "lines\r\n"], "windows\nlines\n"),
        (["abc\r", "\n"], "abc\n"),
        ([""], ""),
    ],
)
def test_a_stream_shows_what_jupyterlab_would_show(printed, seen):
    text = Text()
    for piece in printed:
        text.write(piece)
    assert str(text) == seen


@given(st.lists(st.text(alphabet="ab\n\r\b", max_size=8), max_size=8))
def test_it_does_not_matter_how_a_stream_arrives(pieces):
    apart, together = Text(), Text()
    for piece in pieces:
        apart.write(piece)
    together.write("".join(pieces))
    assert (str(apart), apart.size) == (str(together), together.size)


def test_a_line_without_an_end_loses_nothing():
    text = Text()
    for _ in range(100):
        text.write("." * 1000)
    assert str(text) == "." * 100_000
    assert text.take_line() == "." * LONGEST_LINE


def test_outputs_are_those_of_the_protocol():
    outputs = Outputs(PLAIN)
    say(outputs, "a")
    say(outputs, "b\n")
    say(outputs, "c\n", "stderr")
    say(outputs, "d\n")
    result = {"data": {"text/plain": "42"}, "metadata": {}, "execution_count": 3}
    outputs.hear("execute_result", result)
    outputs.hear("display_data", picture("old", "bar"))
    error = {"ename": "E", "evalue": "v", "traceback": ["t"]}
    outputs.hear("error", error)
    outputs.change("bar", picture("new"))
    assert outputs.as_notebook() == [
        {"output_type": "stream", "name": "stdout", "text": "ab\n"},
        {"output_type": "stream", "name": "stderr", "text": "c\n"},
        {"output_type": "stream", "name": "stdout", "text": "d\n"},
        {"output_type": "execute_result", **result},
        {"output_type": "display_data", "data": {"text/plain": "new"}, "metadata": {}},
        {"output_type": "error", **error},
    ]


def test_clearing_happens_at_once_or_with_the_next_output():
    outputs = Outputs(PLAIN)
    say(outputs, "one")
    outputs.hear("clear_output", {"wait": True})
    assert shown(outputs) == ["one"]
    outputs.hear("display_data", picture("two"))
    assert shown(outputs) == [{"text/plain": "two"}]
    outputs.hear("clear_output", {"wait": False})
    assert shown(outputs) == []


def test_what_is_no_output_changes_nothing_and_nonsense_is_refused():
    outputs = Outputs(PLAIN)
    assert not outputs.hear("comm_msg", {"data": {}})
    with pytest.raises(KeyError):
        outputs.hear("stream", {"name": "stdout"})
    assert outputs.as_notebook() == []


def test_of_too_much_the_beginning_and_the_end_stay_and_a_line_says_what_went():
    outputs = Outputs(100_000)
    for n in range(10_000):
        say(outputs, f"line {n}\n")
    first, notice, last = shown(outputs)
    kept = first.splitlines() + last.splitlines()
    missing = 10_000 - len(kept)
    assert first.splitlines() == [f"line {n}" for n in range(len(first.splitlines()))]
    assert last.splitlines() == [
        f"line {n}" for n in range(10_000 - len(last.splitlines()), 10_000)
    ]
    assert 0.2 < len(first) / len(first + last) < 0.3
    english, korean = notice.splitlines()
    assert english.startswith(f"[{missing} lines and 0 other outputs were left out here")
    assert str(missing) in korean
    assert outputs.size <= 100_000


def test_too_many_pictures_are_cut_in_the_middle_too():
    outputs = Outputs(10_000)
    for n in range(100):
        outputs.hear("display_data", picture(f"{n:03} " + "x" * 400))
    numbers = [one["text/plain"][:3] for one in shown(outputs) if isinstance(one, dict)]
    assert (numbers[0], numbers[-1]) == ("000", "099")
    assert numbers == sorted(set(numbers))
    (notice,) = [one for one in shown(outputs) if isinstance(one, str)]
    assert notice.startswith(f"[0 lines and {100 - len(numbers)} other outputs")


@given(st.lists(st.sampled_from(["stdout", "stderr", "picture", "clear"]), max_size=60))
def test_what_it_weighs_is_bounded_whatever_comes(kinds):
    outputs = Outputs(3000)
    for kind in kinds:
        if kind == "picture":
            outputs.hear("display_data", picture("p" * 500))
        elif kind == "clear":
            outputs.hear("clear_output", {"wait": True})
        else:
            say(outputs, "text\n" * 5, kind)
        assert outputs.size <= 3000 + 200


def test_a_cell_that_prints_for_ever_takes_no_more_memory_than_it_may():
    outputs = Outputs(1 << 20)
    tracemalloc.start()
    for n in range(60_000):
        say(outputs, f"{n}\n")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3 << 20
