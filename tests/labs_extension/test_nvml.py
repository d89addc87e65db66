"""What is read of the GPUs, through the real binding."""

from __future__ import annotations

import os

import pynvml
import pytest

from labs_extension.gpu.nvml import Nvml, has_nvidia_gpu
from labs_extension.gpu.records import Device, Process, Snapshot, Status
from tests.labs_extension.fake_nvml import GIB, Gpu, Library, install

NOW = 1_800_000_000.0


@pytest.fixture
def pci(tmp_path):
    """A PCI bus with a network card on it."""
    _card(tmp_path, "0000:00:03.0", "0x1d0f", "0x020000")
    return tmp_path


def _card(pci, slot, vendor, kind):
    (pci / slot).mkdir()
    (pci / slot / "vendor").write_text(f"{vendor}\n")
    (pci / slot / "class").write_text(f"{kind}\n")


def _read(monkeypatch, library, pci):
    install(monkeypatch, library)
    return Nvml(pci).read(NOW)


def test_a_t4_is_read_whole(monkeypatch, pci):
    gpu = Gpu(processes=[(os.getpid(), 2 * GIB)], throttle=pynvml.nvmlClocksEventReasonSwPowerCap)
    snapshot = _read(monkeypatch, Library(gpu), pci)
    (process,) = snapshot.devices[0].processes
    assert process.name
    assert snapshot == Snapshot(
        Status.OK,
        NOW,
        None,
        "580.95.05",
        "13.1",
        (
            Device(
                index=0,
                uuid=gpu.uuid,
                name="Tesla T4",
                mig_enabled=False,
                compute_capability="7.5",
                utilization=0.37,
                memory_used_bytes=3 * GIB,
                memory_total_bytes=15 * GIB,
                power_watts=40.5,
                power_limit_watts=70.0,
                temperature_celsius=51,
                sm_clock_mhz=1590,
                sm_clock_max_mhz=1590,
                memory_clock_max_mhz=5001,
                memory_bus_bits=256,
                cores=2560,
                throttled=("software power cap",),
                processes=(Process(os.getpid(), process.name, 2 * GIB),),
            ),
        ),
    )


def test_a_field_that_is_unsupported_is_null_and_hides_no_other(monkeypatch, pci):
    gpu = Gpu(utilization=None, power=None, temperature=None, cores=None)
    (device,) = _read(monkeypatch, Library(gpu), pci).devices
    assert device.unsupported == ("cores", "power_watts", "temperature_celsius", "utilization")
    assert (device.utilization, device.power_watts, device.memory_total_bytes) == (
        None,
        None,
        15 * GIB,
    )


def test_the_slices_of_a_gpu_are_devices_of_their_own(monkeypatch, pci):
    part = Gpu("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "MIG-1", utilization=None, memory=(1, 5 * GIB))
    whole = Gpu("NVIDIA A100-SXM4-40GB", "GPU-A", utilization=None, memory=None, slices=[part])
    snapshot = _read(monkeypatch, Library(whole), pci)
    assert snapshot.status is Status.OK
    assert [
        (one.uuid, one.mig_of, one.mig_enabled, one.memory_total_bytes, one.utilization)
        for one in snapshot.devices
    ] == [("GPU-A", None, True, None, None), ("MIG-1", "GPU-A", None, 5 * GIB, None)]


def test_several_gpus_are_read_in_their_order_and_a_broken_one_hides_no_other(monkeypatch, pci):
    gpus = [Gpu(uuid="a"), Gpu(uuid="b", refuses=pynvml.NVML_ERROR_UNKNOWN), Gpu(uuid="c")]
    snapshot = _read(monkeypatch, Library(*gpus), pci)
    assert [(one.index, one.uuid) for one in snapshot.devices] == [(0, "a"), (2, "c")]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, Status.NO_DRIVER),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, Status.DRIVER_MISMATCH),
        (pynvml.NVML_ERROR_NO_PERMISSION, Status.PERMISSION),
        (pynvml.NVML_ERROR_GPU_NOT_FOUND, Status.NO_DEVICE),
        (pynvml.NVML_ERROR_UNKNOWN, Status.ERROR),
    ],
)
def test_what_the_driver_says_has_a_status(monkeypatch, pci, code, status):
    _card(pci, "0000:00:1e.0", "0x10de", "0x030200")
    snapshot = _read(monkeypatch, Library(init=code), pci)
    assert (snapshot.status, snapshot.devices) == (status, ())
    assert snapshot.detail


def test_a_driver_without_a_gpu_is_no_device(monkeypatch, pci):
    assert _read(monkeypatch, Library(), pci).status is Status.NO_DEVICE


def test_without_a_library_the_bus_tells_a_missing_driver_from_a_missing_gpu(monkeypatch, pci):
    assert _read(monkeypatch, None, pci).status is Status.NO_DEVICE
    _card(pci, "0000:00:1e.0", "0x10de", "0x030200")
    assert _read(monkeypatch, None, pci).status is Status.NO_DRIVER


def test_a_bus_that_cannot_be_seen_does_not_say_that_there_is_no_gpu(monkeypatch, tmp_path):
    assert has_nvidia_gpu(tmp_path / "none") is None
    assert _read(monkeypatch, None, tmp_path / "none").status is Status.NO_DRIVER


def test_only_a_display_device_of_nvidia_is_a_gpu(pci):
    _card(pci, "0000:00:1f.0", "0x10de", "0x040300")  # its sound
    assert has_nvidia_gpu(pci) is False
    _card(pci, "0000:00:1e.0", "0x10de", "0x030000")
    assert has_nvidia_gpu(pci) is True


def test_a_gpu_that_was_lost_and_is_back_is_read_again(monkeypatch, pci):
    library = Library(Gpu())
    install(monkeypatch, library)
    nvml = Nvml(pci)
    assert nvml.read(NOW).status is Status.OK
    library.lost = True
    assert nvml.read(NOW).status is Status.ERROR
    library.lost = False
    assert nvml.read(NOW).status is Status.OK
    assert library.calls.count("nvmlInitWithFlags") == 2


def test_a_process_that_has_ended_has_no_name_but_its_memory(monkeypatch, pci):
    gone = 2**22 + 1  # above the largest number that Linux gives
    (device,) = _read(monkeypatch, Library(Gpu(processes=[(gone, 7)])), pci).devices
    assert device.processes == (Process(gone, None, 7),)
