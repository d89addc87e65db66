"""`gpuspawner simulate`: the table, the JSON, the picture, and whether a budget lasts."""

from __future__ import annotations

import json
from dataclasses import asdict
from xml.etree import ElementTree

import pytest

from gpuspawner import cli
from gpuspawner.language import LANGUAGES
from gpuspawner.policy.session import Policy
from gpuspawner.simulation.assumptions import Assumptions
from gpuspawner.simulation.report import SHIPPED, Budget, lasts, rules, simulate
from gpuspawner.simulation.sweep import changes
from gpuspawner.simulation.words import COLUMNS, NAMES, about

SMALL = ["--students", "4", "--weeks", "3", "--terms", "2"]


@pytest.fixture(scope="module")
def report():
    return simulate(Assumptions(students=15, weeks=4), Policy(), range(2))


def test_the_shipped_rule_is_near_the_oracle_and_kills_next_to_nothing(report):
    shipped, stock = report.line(SHIPPED), report.line("stock-60")
    assert 1.0 < shipped.bill < 1.2 < stock.bill
    assert shipped.killed < 2 < stock.killed
    assert shipped.interrupted < 5


def test_every_rule_bills_at_least_what_is_needed_unless_it_takes_something_away(report):
    for line in report.lines:
        assert line.bill >= 1.0 or line.killed or line.interrupted


def test_the_same_terms_give_the_same_report_also_from_two_processes():
    assumed = Assumptions(students=3, weeks=2)
    assert simulate(assumed, Policy(), range(2), workers=2) == simulate(assumed, Policy(), range(2))


class TestABudget:
    def test_that_is_large_lasts(self, report):
        enough = max(sum(term) for term in report.weekly)
        found = lasts(report, enough + 1)
        assert (found.lasts, found.ends) == (2, ())
        assert found.left >= 1

    def test_that_is_small_ends_in_the_week_in_which_it_is_used_up(self, report):
        first, second = (term[0] + term[1] for term in report.weekly)
        found = lasts(report, min(first, second) - 0.01)
        assert found.lasts == 0
        assert min(found.ends) <= 2

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize(
        "budget", [Budget(3000, 5, 5, 12.0, ()), Budget(3000, 5, 3, -5.0, (14, 15))]
    )
    def test_is_said_in_words(self, budget, language):
        assert all("3,000" in one.text(language) for one in about(budget)[:1])


class TestTheCommand:
    def test_prints_a_line_for_every_rule_and_every_assumption(self, capsys):
        assert cli.main(["simulate", *SMALL, "--budget", "50", "--language", "en"]) == 0
        told = capsys.readouterr().out
        for name in rules(Assumptions(), Policy()):
            assert NAMES[name].text("en") in told
        for name in Assumptions.__slots__:
            assert f"{name}=" in told
        assert "$50 lasts" in told

    def test_speaks_korean(self, capsys):
        assert cli.main(["simulate", *SMALL, "--language", "ko"]) == 0
        assert COLUMNS[0][0].text("ko") in capsys.readouterr().out

    def test_writes_json_and_a_picture(self, tmp_path, capsys):
        assert cli.main(["simulate", *SMALL, "--language", "ko", "--output", str(tmp_path)]) == 0
        data = json.loads((tmp_path / "simulation.json").read_text())
        assert data["assumptions"]["students"] == 4
        assert [one["rule"] for one in data["rules"]] == [*NAMES]
        picture = (tmp_path / "simulation.svg").read_text()
        words = [node.text for node in ElementTree.fromstring(picture).iter() if node.text]
        assert NAMES["nightly"].text("ko") in words

    def test_prints_json(self, capsys):
        assert cli.main(["simulate", *SMALL, "--json", "--budget", "50"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["budget"]["terms"] == 2

    def test_takes_the_limits_of_a_configuration(self, tmp_path, capsys):
        path = tmp_path / "jupyterhub_config.py"
        path.write_text("c.Idle.with_tab_timeout = 3600.0\nc.Idle.in_class_timeout = 3600.0\n")
        bills = []
        for more in ([], ["--config", str(path)]):
            assert cli.main(["simulate", *SMALL, "--json", *more]) == 0
            [line] = [
                one
                for one in json.loads(capsys.readouterr().out)["rules"]
                if one["rule"] == SHIPPED
            ]
            bills.append(line["bill"])
        assert bills[0] < bills[1]

    @pytest.mark.parametrize(
        "wrong", [["--students", "0"], ["--assume", "p_forget=2"], ["--terms", "0"]]
    )
    def test_refuses_what_cannot_be(self, wrong, capsys):
        assert cli.main(["simulate", *wrong]) == 2
        assert capsys.readouterr().err.startswith("gpuspawner: ")


def test_the_sweep_changes_one_thing_at_a_time_and_names_it():
    found = changes(Assumptions(), Policy())
    assert len({one.name for one in found}) == len(found)
    for one in found[1:]:
        assert (one.assumed, one.rule) != (found[0].assumed, found[0].rule), one.name


def test_a_sweep_has_a_line_for_each_change_and_the_first_is_what_is_shipped(tmp_path, capsys):
    small = [*SMALL, "--sweep", "--workers", "2", "--output", str(tmp_path)]
    assert cli.main(["simulate", *small, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "sweep.json").read_text())
    assumed = Assumptions(students=4, weeks=3)
    assert [one["rule"] for one in told["changes"]] == [
        one.name for one in changes(assumed, Policy())
    ]
    alone = asdict(simulate(assumed, Policy(), range(2)).line(SHIPPED))
    assert told["changes"][0] | {"rule": SHIPPED} == alone
