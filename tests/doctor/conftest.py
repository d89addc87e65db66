"""One emulated EC2 for all; what one test breaks in it is mended after the test."""

from __future__ import annotations

import boto3
import pytest

from tests.doctor.clinic import Clinic, emulated, hub


@pytest.fixture(scope="package")
def ec2(tmp_path_factory):
    with emulated(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="package")
def session():
    return boto3.Session(
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="thing-that-is-secret",
    )


@pytest.fixture(scope="package")
def answering():
    with hub() as url:
        yield url


@pytest.fixture(autouse=True)
def _environment(monkeypatch, session):
    # A session takes half a second to make; the command makes one, and so do these tests.
    monkeypatch.setattr(boto3, "Session", lambda **_: session)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "thing-that-is-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def clinic(ec2, answering, tmp_path):
    one = Clinic(tmp_path, ec2, answering)
    one.write()
    one.has_run()
    yield one
    ec2.mend()
