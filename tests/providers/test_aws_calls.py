"""The calls we make are those on the page, and production has no other way to make one."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import botocore.session
import pytest

import gpuspawner
from gpuspawner.errors import ConfigurationError
from gpuspawner.providers.aws_calls import USED_CALLS, Calls
from gpuspawner.providers.aws_limits import PRIORITY
from gpuspawner.settings.aws_record import AWSRecord
from gpuspawner.testing import FakeClock

ROOMS = sorted((Path(gpuspawner.__file__).parent / "providers").glob("aws*.py"))
RECORD = AWSRecord("us-east-1", "ami-1", ("g4dn.xlarge",))


def asked():
    """The actions that the source asks for: `ask("X"…)`, `all_of("X"…)`."""
    for room in ROOMS:
        for node in ast.walk(ast.parse(room.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Attribute(attr="ask" | "all_of"), [ast.Constant(action), *_]):
                    yield action


def test_every_call_that_is_made_is_on_the_page_and_the_other_way_round():
    assert set(asked()) == set(USED_CALLS)


def test_the_sdk_knows_each_of_them():
    session = botocore.session.get_session()
    for action, use in USED_CALLS.items():
        assert action in session.get_service_model(use.service).operation_names


def test_what_changes_something_has_a_name_that_says_so():
    reading = ("Describe", "Get")
    assert {a for a, use in USED_CALLS.items() if use.changes} == {
        action for action in USED_CALLS if not action.startswith(reading)
    }


def test_priorities_are_of_calls_that_exist():
    assert set(PRIORITY) <= set(USED_CALLS)


def test_a_change_is_sent_once_and_a_question_may_be_repeated(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "thing")
    calls = Calls(RECORD, FakeClock())
    configs = {
        action: calls._client(USED_CALLS[action]).meta.config
        for action in ("RunInstances", "DescribeInstances")
    }
    calls.close()
    attempts = {action: config.retries["total_max_attempts"] for action, config in configs.items()}
    assert attempts == {"RunInstances": 1, "DescribeInstances": 5}
    assert {(c.connect_timeout, c.read_timeout) for c in configs.values()} == {(5, 30)}


async def test_without_boto3_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    calls = Calls(RECORD, FakeClock())
    with pytest.raises(ConfigurationError, match=r"gpuspawner\[aws\]"):
        await calls.ask("DescribeInstances")
    calls.close()
