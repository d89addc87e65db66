"""One line in a configuration file, loaded as a hub loads it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from jupyterhub.app import JupyterHub
from traitlets.config import PyFileConfigLoader

import gpuspawner
from gpuspawner import identity
from gpuspawner.configuration import ADMIN_SCOPE, ANSWER_SECONDS, SERVICE_SCOPES, TEMPLATES
from gpuspawner.errors import ConfigurationError


@pytest.fixture
def load(tmp_path):
    def load(line="gpuspawner.configure(c)", *, before="", after=""):
        file = tmp_path / "jupyterhub_config.py"
        file.write_text(f"import gpuspawner\nc = get_config()\n{before}\n{line}\n{after}\n")
        return PyFileConfigLoader(file.name, path=str(tmp_path)).load_config()

    return load


def hub(config):
    JupyterHub.clear_instance()
    return JupyterHub(config=config)


def service(config):
    (ours,) = [entry for entry in hub(config).services if entry["name"] == "gpuspawner"]
    return ours


def test_one_line_sets_what_machines_need(load):
    app = hub(load("gpuspawner.configure(c, public_url='https://hub.example.org/')"))
    assert app.spawner_class.__name__ == "GPUSpawner"
    assert app.cleanup_servers is False
    assert app.redirect_to_server is False
    assert app.allow_named_servers is False
    assert app.concurrent_spawn_limit >= 300
    assert app.init_spawners_timeout == 1
    assert app.config.GPUSpawner.hub_connect_url == "https://hub.example.org"
    assert app.config.Controller.public_url == "https://hub.example.org/"


def test_without_a_public_url_none_is_made_up(load):
    config = load()
    assert "hub_connect_url" not in config.GPUSpawner
    assert "public_url" not in config.Controller


def test_the_hub_starts_the_controller_with_the_same_file(load, tmp_path):
    ours = service(load())
    assert ours["command"] == [
        sys.executable, "-m", "gpuspawner.cli", "controller",
        "--config", str(tmp_path / "jupyterhub_config.py"),
    ]  # fmt: skip
    assert ours["oauth_no_confirm"] is True
    assert ours["api_token"] == identity.load(tmp_path / "gpuspawner_secret").service_token


def test_a_controller_of_its_own_is_not_started(load):
    assert "command" not in service(load("gpuspawner.configure(c, managed=False)"))


def test_the_controller_gets_the_clouds_variables_and_not_the_hubs_secrets(load, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "class")
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "secret")
    environment = service(load("gpuspawner.configure(c, environment={'A': 'b'})"))["environment"]
    assert (environment["AWS_PROFILE"], environment["A"]) == ("class", "b")
    assert "CONFIGPROXY_AUTH_TOKEN" not in environment


def test_the_secret_is_made_once(load, tmp_path):
    load()
    first = (tmp_path / "gpuspawner_secret").read_text()
    load()
    assert (tmp_path / "gpuspawner_secret").read_text() == first
    assert (tmp_path / "gpuspawner_secret").stat().st_mode & 0o777 == 0o600


def test_nothing_else_is_made(load, tmp_path):
    load()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
        "gpuspawner_secret",
        "jupyterhub_config.py",
    ]


def test_the_secret_may_be_elsewhere(load, tmp_path):
    other = tmp_path / "elsewhere" / "secret"
    config = load(f"gpuspawner.configure(c, secret_file={str(other)!r})")
    assert config.GPUSpawner.secret_file == config.Controller.secret_file == str(other)
    assert other.exists()


def test_the_controller_and_students_and_admins_have_their_roles(load):
    roles = {role["name"]: role for role in hub(load()).load_roles}
    assert roles["gpuspawner"]["scopes"] == list(SERVICE_SCOPES)
    assert roles["user"]["scopes"] == ["self", "access:services!service=gpuspawner"]
    assert ADMIN_SCOPE in roles["gpuspawner-admin"]["scopes"]


def test_what_stands_after_it_wins(load):
    config = load(after="c.JupyterHub.allow_named_servers = True\nc.GPUSpawner.start_timeout = 60")
    assert hub(config).allow_named_servers is True
    assert config.GPUSpawner.start_timeout == 60


@pytest.mark.parametrize("where", ["before", "after"])
def test_other_services_roles_and_templates_stay(load, where):
    lines = (
        "c.JupyterHub.services.append({'name': 'other'})\n"
        "c.JupyterHub.template_paths.append('/other')\n"
        "c.JupyterHub.template_vars.update({'x': 1})\n"
    )
    app = hub(load(**{where: lines}))
    assert {entry["name"] for entry in app.services} == {"gpuspawner", "other"}
    assert {str(TEMPLATES), "/other"} <= set(app.template_paths)
    assert app.template_vars == {"x": 1, "gpuspawner_language": "en"}


def test_lists_that_were_set_before_are_added_to(load):
    app = hub(load(before="c.JupyterHub.services = [{'name': 'other'}]"))
    assert [entry["name"] for entry in app.services] == ["other", "gpuspawner"]


def test_our_templates_come_before_the_hubs(load):
    assert hub(load()).template_paths[0] == str(TEMPLATES)


@pytest.mark.parametrize(
    "line",
    ["gpuspawner.configure(c, language='fr')", "gpuspawner.configure(c, public_url='hub')"],
)
def test_an_impossible_argument_is_refused(load, line):
    with pytest.raises(ConfigurationError):
        load(line)


def test_a_server_that_says_nothing_cannot_hold_the_hub_up(load):
    limited = hub(load()).config.JupyterHubHTTPClient.session_options.to_dict()
    assert limited["update"]["timeout"].total == ANSWER_SECONDS


def test_other_options_of_the_hubs_requests_stay(load):
    before = "c.JupyterHubHTTPClient.session_options = {'trust_env': True}"
    options = hub(load(before=before)).config.JupyterHubHTTPClient.session_options
    assert (options["trust_env"], options["timeout"].total) == (True, ANSWER_SECONDS)


def test_internal_ssl_is_refused(load):
    with pytest.raises(ConfigurationError, match="internal_ssl is not supported"):
        load(before="c.JupyterHub.internal_ssl = True")


def test_internal_ssl_that_is_off_is_not(load):
    assert load(before="c.JupyterHub.internal_ssl = False").JupyterHub.spawner_class == "gpu"


def test_a_secret_that_others_can_read_is_refused(load, tmp_path):
    load()
    (tmp_path / "gpuspawner_secret").chmod(0o644)
    with pytest.raises(ConfigurationError):
        load()


def test_importing_the_package_imports_no_hub():
    code = "import sys, gpuspawner; print('jupyterhub' in sys.modules, 'aiohttp' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["False", "False"]


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError):
        gpuspawner.confgure  # noqa: B018
