# SPDX-License-Identifier: Apache-2.0
"""Accesses that KVM cannot decode, or that nobody answers, never end the VM."""

from __future__ import annotations

from board import Board
from kinds import A, A_GICV2, B, on
from vm import Vm

# virtio-mmio registers, pvpanic, and an address where the guest has nothing.
VIRTIO = 0x0A000000
PLACES = (VIRTIO, 0x09070000, 0x20000000)
LOADS = ("load-pair", "post-index")
KINDS = (*LOADS, "store-pair", "zero")


@on(A, A_GICV2, B)
def test_undecodable_access_is_an_external_abort(host: Board) -> None:
    """Where registers are read without exits, loads of them are plain memory's; stores are not."""
    path = "off" if host.kind == A_GICV2 else "on"
    with Vm(host, f"--cpus 1 --fast-path {path}") as vm:
        vm.up()
        for place in PLACES:
            for kind in KINDS:
                memory = path == "on" and place == VIRTIO and kind in LOADS
                assert vm.guest(f"rig-access {kind} {place:#x}") == (
                    "done" if memory else "external abort"), (kind, place)
        assert vm.guest("echo alive") == "alive"
        log = vm.ends(0, "poweroff -f")
        assert log.count("cannot be decoded") == 1, "said once"


@on(A)
def test_nobody_answers(host: Board) -> None:
    """Reads as zero, and a store goes nowhere."""
    with Vm(host) as vm:
        vm.up()
        for width in (8, 16, 32, 64):
            vm.guest(f"devmem 0x20000000 {width} 0x55")
            assert int(vm.guest(f"devmem 0x20000000 {width}"), 0) == 0, width
        vm.ends(0, "poweroff -f")
