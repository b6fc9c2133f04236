# SPDX-License-Identifier: Apache-2.0
"""Random numbers of the host's for the guest, from a worker of its own."""

from __future__ import annotations

import re

from board import Board
from kinds import A, B, on
import state
from vm import Vm

TAKE = "dd if=/dev/hwrng bs=64 count=8 2>/dev/null"


@on(A, B)
def test_random_numbers(host: Board) -> None:
    with Vm(host) as vm:
        for boot in range(2):
            vm.up()
            assert vm.guest("cat /sys/class/misc/hw_random/rng_current") == "virtio_rng.0"
            assert vm.guest(f"{TAKE} | wc -c") == "512"
            first, second = vm.guest(f"{TAKE} | sha256sum"), vm.guest(f"{TAKE} | sha256sum")
            assert first != second
            if boot == 0:
                vm.console.sendline("reboot -f")
        host.check(f"kill -KILL {state.worker(host, 'rng')}")
        log = vm.ends(6)
        assert re.search(r"rng failed: killed by signal 9", log), log


@on(A)
def test_none(host: Board) -> None:
    with Vm(host, "--rng off") as vm:
        vm.up()
        assert "rng" not in {process.role for process in state.processes(host)}
        assert "virtio" not in vm.guest("cat /sys/class/misc/hw_random/rng_available")
        vm.ends(0, "poweroff -f")
