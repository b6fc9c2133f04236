# SPDX-License-Identifier: Apache-2.0
"""Memory that a guest gives back: seen in the file that its memory is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import state
from board import Board
from kinds import A, on
from vm import Vm

CONTROL = "--control /tmp/control"
MIB = 1 << 20


def held(host: Board, vm: Vm) -> int:
    """MiB of the host's that are in guest memory."""
    blocks = host.check(f"cd /proc/{vm.pid()}/fd && for i in *; do case $(readlink $i) in "
                        "*memfd:guest-ram*) stat -L -c %b $i;; esac; done")
    return int(blocks.split()[0]) * 512 // MIB


def balloon(host: Board) -> dict:
    return json.loads(host.check(f"bpmp-vmm status {CONTROL} --json"))["balloon"]


def becomes(host: Board, what: str, value: Callable[[], int], holds: Callable[[int], bool]) -> None:
    end = time.monotonic() + 60
    while not holds(seen := value()):
        assert time.monotonic() < end, f"{what}: {seen} after 60 s"
        host.idle(0.5)


def free(vm: Vm) -> int:
    """MiB that the guest has for itself. (MemTotal stays: it may take back what it gave.)"""
    return int(vm.guest("sed -n 's/^MemAvailable: *//p' /proc/meminfo").split()[0]) // 1024


def ask(host: Board, size: int) -> None:
    host.check(f"bpmp-vmm balloon {size}M {CONTROL}")
    assert balloon(host)["target_bytes"] == size * MIB
    becomes(host, f"asked for {size} MiB", lambda: balloon(host)["actual_bytes"],
            lambda actual: actual == size * MIB)


def need(vm: Vm, size: int) -> str:
    """A program that needs `size` MiB at once, in a guest that has not so many."""
    return vm.guest(f"dd if=/dev/zero of=/dev/null bs={size}M count=1 2>&1 | tail -n 1", 90)


@on(A)
def test_memory_comes_back(host: Board) -> None:
    with state.small_pages(host), Vm(host, f"--balloon {CONTROL}", memory="160M") as vm:
        vm.up()
        assert balloon(host) == {"target_bytes": 160 * MIB, "actual_bytes": 160 * MIB}
        vm.guest("dd if=/dev/urandom of=/tmp/kept bs=1M count=4 2>/dev/null")
        kept = vm.guest("sha256sum /tmp/kept")
        fill = "dd if=/dev/zero of=/tmp/fill bs=1M count=40 2>/dev/null; stat -c %s /tmp/fill"
        before, had = held(host, vm), free(vm)

        # Free pages come back unasked, within seconds.
        assert vm.guest(fill) == str(40 * MIB)
        assert held(host, vm) > before + 25
        vm.guest("rm /tmp/fill")
        becomes(host, "after rm", lambda: held(host, vm), lambda mib: mib < before + 10)

        # What is asked for comes back, and the guest's own stays.
        ask(host, 80)
        assert held(host, vm) <= 80
        assert free(vm) < had - 60
        assert vm.guest("sha256sum /tmp/kept") == kept
        said = host.check(f"bpmp-vmm status {CONTROL}")
        assert "balloon   80 MiB are left to the guest, asked for 80 MiB" in said

        # And the guest gets all of it when it is told so.
        ask(host, 160)
        # Pages that are just being reported are not free.
        becomes(host, "with all of it", lambda: free(vm), lambda mib: mib > had - 20)
        assert vm.guest("sha256sum /tmp/kept") == kept
        for size, why in (("161M", "more memory than the guest has"), ("160", "less than 1 MiB")):
            refused = host.run(f"bpmp-vmm balloon {size} {CONTROL}")
            assert refused.status == 1 and why in refused.output
        vm.ends(0, "poweroff -f")


@on(long=(A,))
def test_a_guest_in_need_takes_it_back(host: Board) -> None:
    """Nobody is killed for it; and the next guest is asked for what this one was asked for."""
    with state.small_pages(host), Vm(host, f"--balloon {CONTROL}") as vm:
        for _ in range(2):
            vm.up()
            ask(host, 112)
            assert need(vm, 120) == "1+0 records out"
            assert vm.guest("dmesg | grep -ci 'killed process'; true") == "0"
            assert 112 * MIB < balloon(host)["actual_bytes"] < 256 * MIB
            vm.console.sendline("reboot -f")
        vm.up()
        becomes(host, "unasked", lambda: balloon(host)["actual_bytes"],
                lambda actual: actual == 112 * MIB)
        vm.ends(0, "poweroff -f")
