"""`gpuspawner/api/gpu` in a real Jupyter server."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from labs_extension.gpu.frameworks import Framework
from tests.labs_extension.fake_nvml import GIB, Gpu, Library, install

URL = "gpuspawner/api/gpu"
SEES = Framework(True, "2.13.0", True)
BLIND = Framework(True, "2.13.0+cpu", False)


@pytest.fixture
def no_gpu(monkeypatch):
    """A machine with neither a driver nor a GPU, whatever this one has."""
    install(monkeypatch, None)
    monkeypatch.setattr("labs_extension.gpu.nvml.has_nvidia_gpu", lambda pci: False)


async def test_without_a_gpu_it_says_so_in_both_languages_and_what_to_do(make_server, no_gpu):
    status, body = await make_server().ask(URL)
    assert (status, body["status"], body["devices"], body["history"]) == (200, "no_device", [], {})
    assert body["frameworks"] is None
    assert "start it again with a machine that has one" in body["sentence"]["en"]
    assert "다시 시작하세요" in body["sentence"]["ko"]


async def test_a_gpu_is_reported_with_its_history(make_server, monkeypatch):
    install(monkeypatch, Library(Gpu(), Gpu(uuid="GPU-2", utilization=None)))
    server = make_server()
    server.lab.frameworks._known = {"torch": SEES}
    status, body = await server.ask(URL)
    assert (status, body["status"], body["driver_version"]) == (200, "ok", "580.95.05")
    first, second = body["devices"]
    assert (first["name"], first["utilization"], first["mig_of"]) == ("Tesla T4", 0.37, None)
    assert (second["utilization"], second["unsupported"]) == (None, ["utilization"])
    (point,) = body["history"]["GPU-2"]
    assert point == {
        "at": body["sampled_at"],
        "utilization": None,
        "memory_used_bytes": 3 * GIB,
        "power_watts": 40.5,
        "temperature_celsius": 51,
    }


@pytest.mark.parametrize(
    ("visible", "hint"),
    [(None, "a version without GPU support"), ("", "CUDA_VISIBLE_DEVICES hides it")],
)
async def test_a_gpu_that_a_framework_cannot_see_is_not_ok(make_server, monkeypatch, visible, hint):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    install(monkeypatch, Library(Gpu()))
    server = make_server()
    server.lab.frameworks._known = {"torch": BLIND, "jax": SEES}
    server.lab.frameworks._asked = server.lab._clock.monotonic()
    _, body = await server.ask(URL)
    assert body["status"] == "framework_cannot_see_gpu"
    assert "PyTorch" in body["sentence"]["ko"]
    assert "JAX" not in body["sentence"]["ko"]
    assert hint in body["sentence"]["en"]


async def test_a_driver_that_hangs_blocks_nothing(make_server, monkeypatch):
    library = Library(Gpu())
    install(monkeypatch, library)
    library.free.clear()
    monkeypatch.setattr("labs_extension.gpu.api._FIRST_SAMPLE_SECONDS", 0.05)
    server = make_server()
    server.lab.sampler._patience = 0.01
    status, body = await server.ask(URL)
    assert (status, body["status"], body["detail"]) == (200, "error", "NVML does not answer")
    assert (await server.ask("api"))[0] == 200
    library.free.set()


@pytest.mark.parametrize("token", ["", "another-token"])
async def test_a_stranger_is_refused(make_server, no_gpu, token):
    assert (await make_server().ask(URL, token=token))[0] == 403


async def test_who_is_logged_in_but_not_authorised_is_refused(make_server, no_gpu, monkeypatch):
    server = make_server()
    asked = []

    def is_authorized(handler, user, action, resource):
        asked.append((action, resource))
        return False

    monkeypatch.setattr(server.app.authorizer, "is_authorized", is_authorized)
    assert (await server.ask(URL))[0] == 403
    assert asked == [("read", "gpuspawner")]


async def test_asking_is_no_activity(make_server, no_gpu):
    server = make_server()
    before = server.app.web_app.settings.get("api_last_activity")
    await server.ask(URL)
    assert server.app.web_app.settings.get("api_last_activity") == before
    await server.ask("api/kernels")
    assert server.app.web_app.settings.get("api_last_activity") != before


async def test_the_gauges_have_what_is_known_and_nothing_else(make_server, monkeypatch):
    install(monkeypatch, Library(Gpu(uuid="u", power=None)))
    server = make_server()
    await server.ask(URL)
    status, text = await server.ask("metrics")
    assert status == 200
    lines = [line for line in text.splitlines() if line.startswith("gpuspawner_gpu")]
    assert lines == [
        'gpuspawner_gpu_utilization_ratio{gpu="0",uuid="u"} 0.37',
        'gpuspawner_gpu_memory_used_bytes{gpu="0",uuid="u"} 3.221225472e+09',
        'gpuspawner_gpu_memory_total_bytes{gpu="0",uuid="u"} 1.610612736e+10',
        'gpuspawner_gpu_temperature_celsius{gpu="0",uuid="u"} 51.0',
    ]


async def test_a_name_with_markup_in_it_is_harmless(make_server, monkeypatch):
    install(monkeypatch, Library(Gpu(name="<script>alert(1)</script>")))
    server = make_server()
    server.lab.frameworks._known = {}
    _, body = await server.ask(URL)
    assert body["devices"][0]["name"] == "<script>alert(1)</script>"
    raw = await server.raw(URL)
    assert b"<" not in raw.body
    assert raw.headers["Content-Type"] == "application/json"


async def test_a_process_is_told_with_the_notebook_that_it_runs(make_server, monkeypatch):
    install(monkeypatch, Library(Gpu(processes=[(os.getpid(), GIB)])))
    server = make_server()
    server.lab.frameworks._known = {}

    async def list_sessions():
        return [{"kernel": {"id": "k"}, "path": "lab/mnist.ipynb"}]

    kernel = SimpleNamespace(provisioner=SimpleNamespace(pid=os.getpid()))

    monkeypatch.setattr(server.app.session_manager, "list_sessions", list_sessions)
    monkeypatch.setattr(server.app.kernel_manager, "get_kernel", lambda kernel_id: kernel)
    _, body = await server.ask(URL)
    (process,) = body["devices"][0]["processes"]
    assert (process["notebook"], process["memory_bytes"]) == ("lab/mnist.ipynb", GIB)
