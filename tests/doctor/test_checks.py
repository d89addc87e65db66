"""Each check that needs no cloud: what it finds, and what it lets pass."""

from __future__ import annotations

import socket
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from traitlets.config import Config

from gpuspawner.doctor import class_checks, examination, hub_checks, settings_checks, url_checks
from gpuspawner.doctor.case import Case
from gpuspawner.doctor.checks import CHECKS, GROUPS
from gpuspawner.doctor.choices import allowed_users, machines
from gpuspawner.doctor.cloud_checks import expected
from gpuspawner.doctor.hiding import HIDDEN, hide
from gpuspawner.doctor.lines import Line, Mark, Report
from gpuspawner.doctor.show import WIDTH, text, width
from gpuspawner.language import LANGUAGES, say, terminal_language
from gpuspawner.policy.money import seconds_of
from gpuspawner.store.look import Seen
from tests.doctor.clinic import NOON, hub, nobody

T4 = {"display_name": "One T4", "slug": "t4", "gpuspawner_override": {"sizes": ["g4dn.xlarge"]}}


def case(tmp_path: Path, students: int | None = None, **sections: dict) -> Case:
    return Case(tmp_path / "jupyterhub_config.py", Config(sections), NOON, students)


def found(lines) -> list[tuple[str, str]]:
    """Mark and subject of each line."""
    return [(line.mark.value, line.subject) for line in lines]


class TestNames:
    def test_a_near_miss_is_named_with_what_was_meant(self, tmp_path):
        [line] = settings_checks.names(case(tmp_path, AWS={"imgae": "ami-1"}))
        assert (line.subject, line.remedy.text()) == ("c.AWS.imgae", "Did you mean c.AWS.image?")

    def test_what_is_near_nothing_is_named_too(self, tmp_path):
        [line] = settings_checks.names(case(tmp_path, AWS={"zzz": 1}))
        assert line.remedy.text().startswith("Take it out")

    def test_settings_that_the_spawner_inherits_exist(self, tmp_path):
        sections = {"GPUSpawner": {"default_url": "/lab"}, "Spawner": {"anything": 1}}
        assert found(settings_checks.names(case(tmp_path, **sections))) == [("ok", "c.*")]

    def test_other_peoples_classes_are_not_ours_to_judge(self, tmp_path):
        sections = {"GenericOAuthenticator": {"x": 1}, "MyGPUSpawner": {"x": 1}, "Proxy": {"x": 1}}
        assert found(settings_checks.names(case(tmp_path, **sections))) == [("ok", "c.*")]


class TestValues:
    def test_each_of_another_kind_is_named_and_none_is_shown(self, tmp_path):
        one = case(tmp_path, AWS={"sizes": {"hunter2": 1}, "region": 7}, GPUSpawner={"port": "x"})
        lines = list(settings_checks.values(one))
        assert found(lines) == [
            ("failure", "c.AWS.region"),
            ("failure", "c.AWS.sizes"),
            ("failure", "c.GPUSpawner.port"),
        ]
        assert "hunter2" not in repr(lines)

    def test_the_others_are_kept(self, tmp_path):
        one = case(tmp_path, AWS={"sizes": 7, "region": "eu-west-1"})
        assert (one.aws.region, one.aws.sizes) == ("eu-west-1", ["g4dn.xlarge"])

    def test_right_ones_pass(self, tmp_path):
        one = case(tmp_path, AWS={"region": "eu-west-1"})
        assert found(settings_checks.values(one)) == [("ok", "c.*")]


SOUND = {"Controller": {"public_url": "https://hub.example.org/"}, "AWS": {"image": "ami-1"}}


class TestContradictions:
    def test_none_pass(self, tmp_path):
        one = case(tmp_path, **SOUND)
        assert found(settings_checks.contradictions(one)) == [("ok", "c.*")]

    def test_what_is_of_another_kind_is_not_named_twice(self, tmp_path):
        one = case(tmp_path, **{**SOUND, "Controller": {"public_url": 5}})
        one.bad_values()
        assert found(settings_checks.contradictions(one)) == [("ok", "c.*")]

    @pytest.mark.parametrize(
        ("section", "name", "value"),
        [
            ("Controller", "public_url", "hub.example.org"),
            ("Controller", "save_timeout", -1.0),
            ("Controller", "max_home_gib", 0),
            ("Controller", "ca_file", "/nowhere.pem"),
            ("AWS", "image", ""),
            ("AWS", "tags", {"Name": "x"}),
            ("Prices", "cost", {"g4dn.xlarge": 0.0}),
            ("Agent", "heartbeat_interval", 0.0),
            ("GPUSpawner", "secret_file", "/elsewhere/secret"),
        ],
    )
    def test_each_is_named(self, tmp_path, section, name, value):
        sections = {key: dict(of) for key, of in SOUND.items()}
        sections.setdefault(section, {})[name] = value
        lines = found(settings_checks.contradictions(case(tmp_path, **sections)))
        assert lines == [("failure", f"c.{section}.{name}")]


class TestTheHubsSettings:
    def test_a_file_that_calls_nothing_is_named_for_all_that_is_missing(self, tmp_path):
        subjects = [line.subject for line in hub_checks.hub_settings(case(tmp_path))]
        assert subjects == [
            "c.JupyterHub.spawner_class",
            "c.JupyterHub.services",
            "c.JupyterHub.load_roles",
            "c.JupyterHub.custom_scopes",
            "c.JupyterHub.cleanup_servers",
        ]

    @pytest.mark.parametrize(("installed", "marks"), [("6.1.1", []), ("5.9", ["jupyterhub"])])
    def test_an_old_jupyterhub_is_named_and_a_new_one_is_not(self, monkeypatch, installed, marks):
        monkeypatch.setattr(hub_checks, "version", lambda _: installed)
        assert [line.subject for line in hub_checks._version()] == marks


class TestProfiles:
    def of(self, tmp_path, **sections) -> list[tuple[str, str]]:
        return found(class_checks.profiles(case(tmp_path, **sections)))

    def test_a_sound_list_passes(self, tmp_path):
        assert self.of(tmp_path, GPUSpawner={"profile_list": [T4]}) == [
            ("ok", "c.GPUSpawner.profile_list")
        ]

    @pytest.mark.parametrize("entries", [[], [{"slug": "x"}], [{**T4, "sizes": []}]])
    def test_one_that_is_none_does_not(self, tmp_path, entries):
        assert self.of(tmp_path, GPUSpawner={"profile_list": entries}) == [
            ("failure", "c.GPUSpawner.profile_list")
        ]

    def test_one_that_a_function_makes_is_not_checked(self, tmp_path):
        assert self.of(tmp_path, GPUSpawner={"profile_list": lambda _: []}) == [
            ("not_checked", "c.GPUSpawner.profile_list")
        ]

    def test_a_ladder_with_one_size_too_many_is_a_warning(self, tmp_path):
        ladder = {**T4, "gpuspawner_override": {"sizes": ["g4dn.xlarge", "g5.xlarge"]}}
        assert self.of(tmp_path, GPUSpawner={"profile_list": [ladder]}) == [
            ("warning", "profile t4")
        ]

    def test_the_disks_of_every_choice_are_looked_at(self, tmp_path):
        choices = {
            "small": {"gpuspawner_override": {"home_gib": 20}},
            "large": {"gpuspawner_override": {"home_gib": 500}},
        }
        profile = {**T4, "profile_options": {"home": {"choices": choices}}}
        assert self.of(tmp_path, GPUSpawner={"profile_list": [profile]}) == [
            ("failure", "profile t4")
        ]


class TestTheRoster:
    @pytest.mark.parametrize(
        ("sections", "users"),
        [
            ({}, None),
            ({"Authenticator": {"allowed_users": {"a", "b"}}}, {"a", "b"}),
            ({"DummyAuthenticator": {"allowed_users": {"a"}}}, {"a"}),
            ({"Authenticator": {"allowed_users": {"a"}, "allow_all": True}}, None),
            ({"Authenticator": {"allowed_users": set()}}, None),
        ],
    )
    def test_is_known_when_the_login_names_everybody(self, tmp_path, sections, users):
        one = case(tmp_path, **sections)
        assert allowed_users(one.config, one.value) == users

    def test_that_nobody_told_is_not_checked(self, tmp_path):
        assert found(class_checks.roster(case(tmp_path))) == [("not_checked", "--students")]

    @pytest.mark.parametrize(("limit", "mark"), [(0, "ok"), (30, "ok"), (29, "failure")])
    def test_must_fit_what_the_hub_allows_at_once(self, tmp_path, limit, mark):
        one = case(tmp_path, 30, JupyterHub={"concurrent_spawn_limit": limit})
        assert [line.mark.value for line in class_checks.roster(one)] == [mark]

    def test_asks_for_the_first_size_of_each_profile_and_no_more_than_its_groups_have(
        self, tmp_path
    ):
        staff = {
            "display_name": "Large",
            "slug": "large",
            "groups": ["staff"],
            "gpuspawner_override": {"sizes": ["p3.2xlarge", "g5.xlarge"]},
        }
        one = case(
            tmp_path,
            30,
            GPUSpawner={"profile_list": [T4, staff], "port": 9999},
            JupyterHub={"load_groups": {"staff": {"users": ["teacher", "assistant"]}}},
        )
        asked = expected(one, [("192.0.2.1", 443)])
        assert (asked.students, asked.port, asked.hub) == (30, 9999, (("192.0.2.1", 443),))
        assert asked.machines == {"g4dn.xlarge": 30, "p3.2xlarge": 2}
        unknown = machines(one.specifications, 30, {})
        assert unknown == {"g4dn.xlarge": 30, "p3.2xlarge": 30}


class TestTheTimeOfAStart:
    @pytest.mark.parametrize(
        ("given", "usual", "mark"),
        [
            (900, {}, Mark.OK),
            (200, {}, Mark.WARNING),
            (900, {"g4dn.xlarge": 240.0}, Mark.OK),
            (400, {"g4dn.xlarge": 240.0}, Mark.WARNING),
            (240, {"g4dn.xlarge": 240.0}, Mark.FAILURE),
            (240, {"g4dn.xlarge": 60.0, "g5.xlarge": 300.0}, Mark.FAILURE),
        ],
    )
    def test_is_measured_against_what_starts_take(self, tmp_path, given, usual, mark):
        one = case(tmp_path, GPUSpawner={"start_timeout": given})
        assert class_checks.start_timeout(one, usual).mark is mark


class TestPrices:
    def of(self, tmp_path, days: int = 0, **settings) -> list[tuple[str, str]]:
        one = case(tmp_path, **settings)
        one.now = NOON + timedelta(days=days)
        return found(class_checks.prices(one))

    def test_of_this_year_pass_and_older_ones_are_a_warning(self, tmp_path):
        assert self.of(tmp_path) == [("ok", "c.Prices.cost")]
        assert self.of(tmp_path, days=100) == [("warning", "c.Prices.cost")]

    def test_of_ones_own_have_no_age(self, tmp_path):
        own = {"cost": {"g4dn.xlarge": 0.6}}
        assert self.of(tmp_path, days=1000, Prices=own) == [("ok", "c.Prices.cost")]

    def test_of_another_region_are_not_known(self, tmp_path):
        elsewhere = {"region": "eu-west-1"}
        assert self.of(tmp_path, AWS=elsewhere) == [("failure", "g4dn.xlarge")]


class TestPricesInTheBooks:
    NOW = seconds_of(NOON)

    def of(self, tmp_path, read_days_ago: int | None, size: str = "g4dn.xlarge", **settings):
        one = case(tmp_path, **settings)
        one.now = NOON
        at = None if read_days_ago is None else self.NOW - read_days_ago * 86_400
        seen = Seen("1", "1", True, None, {}, frozenset({("eu-west-1", size)}), at)
        return found(class_checks.prices(one, seen))

    def test_are_good_while_the_price_list_is_read_and_a_warning_when_it_is_not(self, tmp_path):
        elsewhere = {"AWS": {"region": "eu-west-1"}}
        assert self.of(tmp_path, 1, **elsewhere) == [("ok", "prices")]
        assert self.of(tmp_path, 15, **elsewhere) == [("warning", "prices")]

    def test_do_not_count_when_it_was_never_read_or_they_are_of_something_else(self, tmp_path):
        elsewhere = {"AWS": {"region": "eu-west-1"}}
        assert self.of(tmp_path, None, **elsewhere) == [("failure", "g4dn.xlarge")]
        assert self.of(tmp_path, 1, "g5.xlarge", **elsewhere) == [("failure", "g4dn.xlarge")]
        assert self.of(tmp_path, 15) == [("ok", "c.Prices.cost")]


def resolving(monkeypatch, *addresses: str) -> None:
    def answer(_host, port, *_, **_more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


class TestTheHubsUrl:
    def of(self, tmp_path, url: str, *, running: bool = False, **more) -> url_checks.Found:
        sections = {"Controller": {"public_url": url, **more.pop("controller", {})}, **more}
        return url_checks.hub_url(case(tmp_path, **sections), running=running)

    def texts(self, found_: url_checks.Found) -> list[tuple[str, str]]:
        return [(line.mark.value, line.finding.text()) for line in found_.lines]

    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.0.0.5"])
    def test_on_this_computer_alone_reaches_no_machine_elsewhere(self, tmp_path, name):
        with hub() as url:
            there = url.replace("127.0.0.1", name) if name != "127.0.0.5" else url
            said = self.texts(self.of(tmp_path, there))
        assert (
            "failure",
            "It means the machine itself to every machine: none would reach the hub.",
        ) in said

    def test_on_this_computer_is_right_for_a_cloud_that_is_there_too(self, tmp_path):
        with hub() as url:
            said = self.of(tmp_path, url, AWS={"endpoint_url": "http://127.0.0.1:1"})
        assert [mark for mark, _ in self.texts(said)] == ["warning", "warning", "ok"]
        assert said.addresses == ()

    def test_whose_name_leads_this_computer_to_itself_is_a_warning(self, tmp_path, monkeypatch):
        with hub() as url:
            resolving(monkeypatch, "127.0.1.1")
            said = self.texts(self.of(tmp_path, url.replace("127.0.0.1", "hub.example.org")))
        assert said[1] == (
            "warning",
            "The name leads this computer to itself (127.0.1.1); machines may differ.",
        )

    def test_on_a_private_network_gets_a_sentence(self, tmp_path, monkeypatch):
        resolving(monkeypatch, "10.1.2.3")
        monkeypatch.setattr(url_checks, "_status", lambda *_: "ok")
        said = self.of(tmp_path, "https://hub.example.org/")
        assert self.texts(said) == [
            (
                "warning",
                "It leads to a private address (10.1.2.3): machines need a route to it.",
            ),
            ("ok", "The controller answers there (ok), from this computer."),
        ]
        assert said.addresses == (("10.1.2.3", 443),)

    def test_on_a_public_one_needs_none(self, tmp_path, monkeypatch):
        resolving(monkeypatch, "8.8.8.8")
        monkeypatch.setattr(url_checks, "_status", lambda *_: "degraded")
        said = self.texts(self.of(tmp_path, "https://hub.example.org/"))
        assert said == [("ok", "The controller answers there (degraded), from this computer.")]

    def test_that_nobody_answers_at_fails(self, tmp_path):
        [*_, last] = self.texts(self.of(tmp_path, nobody()))
        assert (last[0], "does not answer from this computer" in last[1]) == ("failure", True)

    def test_that_is_none_is_not_tried(self, tmp_path):
        assert found(self.of(tmp_path, "hub.example.org").lines) == [
            ("not_checked", "c.Controller.public_url")
        ]

    def test_with_a_certificate_of_nobody_fails(self, tmp_path, monkeypatch):
        def untrusted(*_):
            from urllib.error import URLError  # noqa: PLC0415

            raise URLError(ssl.SSLCertVerificationError("self-signed certificate"))

        resolving(monkeypatch, "8.8.8.8")
        monkeypatch.setattr(url_checks, "_status", untrusted)
        [line] = self.texts(self.of(tmp_path, "https://hub.example.org/"))
        assert line[0] == "failure"
        assert line[1].startswith("Its certificate is not trusted:")

    def test_with_an_authority_that_is_none_is_not_tried(self, tmp_path, monkeypatch):
        resolving(monkeypatch, "8.8.8.8")
        said = self.of(tmp_path, "https://hub.example.org/", controller={"ca_file": "/none.pem"})
        assert [mark for mark, _ in self.texts(said)] == ["not_checked"]


class TestACheckThatFailsItself:
    def test_is_a_line_and_hides_no_other(self, tmp_path, monkeypatch):
        def broken(_case):
            raise RuntimeError("postgresql://hub:hunter2@db/x")

        monkeypatch.setattr(class_checks, "roster", broken)
        monkeypatch.setattr(examination.cloud_checks, "cloud", broken)
        config = tmp_path / "jupyterhub_config.py"
        config.write_text("c = get_config()\n")
        report = examination.examine(config, NOON)
        assert report.exit_code == 1
        assert {"roster", "account", "profiles", "disk"} <= {line.check for line in report.lines}
        shown = text(report, "en")
        assert ("RuntimeError" in shown, "hunter2" in shown) == (True, False)


class TestHiding:
    @pytest.mark.parametrize(
        ("said", "shown"),
        [
            ("postgresql://hub:hunter2@db/x", f"postgresql://hub:{HIDDEN}@db/x"),
            ("key " + "ab" * 32, f"key {HIDDEN}"),
            ("http://127.0.0.1:8010/x", "http://127.0.0.1:8010/x"),
            ("ami-0123456789abcdef0", "ami-0123456789abcdef0"),
        ],
    )
    def test_takes_out_secrets_and_nothing_else(self, said, shown):
        assert hide(said) == shown

    def test_takes_out_the_credentials_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a/long+token")
        assert hide("with a/long+token") == f"with {HIDDEN}"


class TestThePage:
    def report(self) -> Report:
        finding = say("A long finding that has to be broken, {detail}.", detail="word " * 30)
        lines = [
            Line(check, mark, "c.Something.or_other", finding, finding)
            for check in CHECKS
            for mark in Mark
        ]
        return Report(Path("/srv/jupyterhub/jupyterhub_config.py"), NOON, 20, "0badcafe", lines)

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_is_80_columns_wide_at_most(self, language):
        assert max(width(line) for line in text(self.report(), language).splitlines()) <= WIDTH

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_has_every_group_and_mark_in_the_readers_language(self, language):
        shown = text(self.report(), language)
        assert [group for group in GROUPS.values() if group.text(language) not in shown] == []

    def test_counts_korean_letters_as_two(self):
        assert (width("abc"), width("정상")) == (3, 4)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_terminals(environment, language):
    assert terminal_language(environment) == language
