# SPDX-License-Identifier: Apache-2.0
"""The boards themselves: KVM, the modules, and the UART that is given away."""

from __future__ import annotations

import os

import pytest

from board import Board
from kinds import A, A_4CPUS, A_GICV2, B, on
from streams import Hang


@on(A, A_4CPUS, A_GICV2, B)
def test_host_has_kvm(host: Board) -> None:
    assert host.run("test -c /dev/kvm").status == 0
    assert int(host.check("nproc")) == host.kind.cpus if host.kind.board == "a" else 1


@on(A, A_GICV2, B)
def test_modules_and_bindings(host: Board) -> None:
    assert set(host.check("lsmod | cut -d' ' -f1").split()) >= {"rig_iommu", "rig_bpmp"}
    host.check("test -c /dev/bpmp-host")
    devices = ["12c1a000.serial"] if host.kind.board == "b" else ["9040000.pl011", "9010000.pl031"]
    for device in devices:
        driver = host.check(f"readlink /sys/bus/*/devices/{device}/driver")
        assert os.path.basename(driver).startswith("vfio-"), f"{device} has driver {driver}"
        host.check(f"test -e /sys/bus/*/devices/{device}/iommu_group")


@on(A, B)
def test_many_sessions_lose_nothing(host: Board) -> None:
    data = os.urandom(65536 if host.kind.board == "a" else 8192)
    sessions = [host.start("cat", f"cat{n}", terminal=False) for n in range(4)]
    for session in sessions:
        session.send(data)
        session.end_input()
    for session in sessions:
        assert session.take(len(data), 60) == data
        assert session.wait(10) == 0


@on(A)
def test_hang_says_what_was_awaited(host: Board) -> None:
    session = host.start("echo first; sleep 60", "sleeper")
    with pytest.raises(Hang, match="(?s)sleeper.*second.*first"):
        session.wait_for("second", 1)
    session.kill(9)
    assert session.wait(5) == 128 + 9


@on(B)
def test_wire_carries_bytes(host: Board) -> None:
    """Through the UART's registers, from the host: it has no driver there."""
    host.check("devmem 0x12c1a010 8 0; devmem 0x12c1a00c 8 3; devmem 0x12c1a008 8 7")
    for byte in b"rig":
        host.check(f"devmem 0x12c1a000 8 {byte}")
    assert host.wire.take(3, 10) == b"rig"
    host.wire.send(b"\xa5")
    host.idle(0.5)
    assert int(host.check("devmem 0x12c1a000 8"), 16) == 0xA5
