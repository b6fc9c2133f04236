# SPDX-License-Identifier: Apache-2.0
"""A disk that becomes larger while its guest runs, which sees it without a reboot."""

from __future__ import annotations

import re

from board import Board
from kinds import A_PROGRAMS, on
import state
from vm import Vm

SOCKET = "/tmp/control"
CONTROL = f"--control {SOCKET}"
MIB = 1 << 20


def resize(host: Board, words: str) -> int:
    return int(host.check(f"bpmp-vmm resize {words} {CONTROL}", 60).split()[0])


def refused(host: Board, words: str, says: str, code: int = 1) -> None:
    seen, output = host.run(f"bpmp-vmm resize {words} {CONTROL}", 60)
    assert seen == code and re.search(says, output), (seen, output)


def has(vm: Vm, device: str, mib: int) -> None:
    """The guest's driver works the news off some time after the interrupt."""
    vm.guest(f"for i in $(seq 100); do [ $(blockdev --getsize64 /dev/{device}) = {mib * MIB} ] && "
             f"break; sleep 0.1; done; [ $(blockdev --getsize64 /dev/{device}) = {mib * MIB} ]", 30)


def last_mib_is_usable(vm: Vm, device: str, mib: int) -> str:
    vm.guest(f"dd if=/dev/urandom of=/dev/{device} bs=1M seek={mib - 1} count=1 conv=fsync 2>/dev/null")
    return vm.guest(f"dd if=/dev/{device} bs=1M skip={mib - 1} count=1 2>/dev/null | sha256sum")


@on(A_PROGRAMS)
def test_a_guest_sees_its_disks_grow(host: Board) -> None:
    host.check("cd /tmp; truncate -s 4M raw dev ro; losetup /dev/loop0 dev; "
               "qemu-img create -q -f qcow2 q 4M")
    disks = ("--disk /tmp/raw,serial=root,direct --disk /dev/loop0 --disk /tmp/ro,ro "
             "--disk /tmp/q,format=qcow2")
    with Vm(host, f"--cpus 2 {disks} {CONTROL}") as vm:
        vm.up()
        assert resize(host, "/tmp/raw 8M") == 8 * MIB
        has(vm, "vda", 8)
        assert host.check("stat -c %s /tmp/raw") == str(8 * MIB)
        written = last_mib_is_usable(vm, "vda", 8)
        assert host.check("dd if=/tmp/raw bs=1M skip=7 2>/dev/null | sha256sum") == written

        # By its serial, paused, and by what something else did to the image.
        host.check(f"bpmp-vmm pause {CONTROL}; truncate -s 16M /tmp/raw")
        assert resize(host, "root") == 16 * MIB
        host.check(f"bpmp-vmm resume {CONTROL}")
        has(vm, "vda", 16)
        host.check("truncate -s 8M /tmp/dev; losetup -c /dev/loop0; truncate -s 8M /tmp/ro")
        assert resize(host, "/dev/loop0") == resize(host, "/tmp/ro") == 8 * MIB
        has(vm, "vdb", 8)
        has(vm, "vdc", 8)
        last_mib_is_usable(vm, "vdb", 8)

        refused(host, "root 8M", "cannot become smaller")
        refused(host, f"root {16 * MIB + 512}", "the VM's log says why")  # no whole block of its direct I/O
        refused(host, "/dev/loop0 16M", "block device")
        refused(host, "/tmp/ro 16M", "read-only")
        refused(host, "/tmp/q 16M", "back end is a program")
        refused(host, "/tmp/other 16M", "no --disk")
        refused(host, "root 16M 17M", "one word too many", 2)
        refused(host, "root 0", "SIZE is 0", 2)
        assert resize(host, "/tmp/q") == 4 * MIB
        for device, mib in (("vda", 16), ("vdb", 8), ("vdc", 8), ("vdd", 4)):
            has(vm, device, mib)
        vm.console.sendline("reboot -f")
        vm.up()
        has(vm, "vda", 16)
        last_mib_is_usable(vm, "vda", 16)

        # Under load.
        vm.guest("((dd if=/dev/zero of=/dev/vda bs=1M count=16 2>/dev/null; echo dd-\"\"done) &)")
        assert resize(host, "root 32M") == 32 * MIB
        vm.console.wait_for("dd-done", 30)
        has(vm, "vda", 32)
        log = vm.ends(0, "poweroff -f")
        assert "disk /tmp/raw: has 33554432 bytes now" in log, log
    host.check("losetup -d /dev/loop0")
    assert not state.leftovers(host)
