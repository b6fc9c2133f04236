# SPDX-License-Identifier: Apache-2.0
"""What the guest has of the host's CPUs and of its memory, also after a reset, which makes a new VM
under the jail."""

from __future__ import annotations

import json
import re

from board import Board
from kinds import A, A_GICV2, B, on
import state
from vm import FILES, Vm

PASSED_ON = ("sve", "paca", "pacg")


def features(text: str) -> set[str]:
    return set(PASSED_ON) & set(re.findall(r"Features\s*: (.*)", text)[0].split())


@on(A, long=(A_GICV2,))
def test_counters_vectors_and_authentication(host: Board) -> None:
    has = features(host.file("/proc/cpuinfo"))
    assert has == set(PASSED_ON), "QEMU's `max` has all of them"
    with Vm(host, "--cpus 2 --pmu") as vm:
        for boot in ("first", "second"):
            vm.up()
            assert features(vm.guest("cat /proc/cpuinfo")) == has, boot
            assert "armv8_pmuv3" in vm.guest("ls /sys/bus/event_source/devices"), boot
            assert re.search(r"23\s+Level\s+arm-pmu", vm.guest("cat /proc/interrupts")), boot
            assert "arm-pv: using stolen time PV" in vm.guest("dmesg"), boot
            if boot == "first":
                vm.console.sendline("reboot -f")
        vm.ends(0, "poweroff -f")


@on(A, B)
def test_no_counters_unless_asked_for(host: Board) -> None:
    """Board B's CPU has none of the others either."""
    with Vm(host) as vm:
        vm.up()
        assert features(vm.guest("cat /proc/cpuinfo")) == features(host.file("/proc/cpuinfo"))
        assert "pmuv3" not in vm.guest("ls /sys/bus/event_source/devices")
        vm.ends(0, "poweroff -f")


def large_pages(host: Board, vm: Vm) -> int:
    """KiB of guest memory that the machine has mapped as large pages."""
    return int(host.check(f"grep -A25 guest-ram /proc/{vm.pid()}/smaps | "
                          "sed -n 's/^ShmemPmdMapped: *\\([0-9]*\\).*/\\1/p'"))


@on(A)
def test_large_pages_on_advice(host: Board) -> None:
    """Where the host gives shared memory any to those who ask for them, and not by default."""
    with Vm(host) as vm:
        vm.up()
        assert large_pages(host, vm) > 16 << 10
        vm.ends(0, "poweroff -f")
    with state.small_pages(host), Vm(host) as vm:
        vm.up()
        assert large_pages(host, vm) == 0
        vm.ends(0, "poweroff -f")


def huge_pages_free(host: Board) -> int:
    return int(re.findall(r"HugePages_Free:\s+(\d+)", host.file("/proc/meminfo"))[0])


@on(A)
def test_huge_pages(host: Board) -> None:
    """All of RAM, reached by the guest, a disk's worker and the IOMMU; given back at the end."""
    pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    options = "--disk /tmp/d --passthrough 9040000.pl011,compatible=arm,pl011"
    host.check(f"echo 63 >{pool}; truncate -s 1M /tmp/d")
    status, output = host.run(f"bpmp-vmm check {FILES} {options} --memory 128M,hugepages")
    assert status == 3 and re.search(rf"fewer than 64 free pages of 2048K.*echo 64 > {pool}", output)
    host.check(f"echo 70 >{pool}")
    assert huge_pages_free(host) == 70
    with Vm(host, options, memory="128M,hugepages") as vm:
        vm.up()
        assert huge_pages_free(host) == 6
        vm.guest("dd if=/dev/urandom of=/dev/vda bs=64k count=16 2>/dev/null && sync")
        assert vm.guest("sha256sum /dev/vda").split()[0] == (
            host.check("sha256sum /tmp/d").split()[0])
        vm.ends(0, "poweroff -f")
    assert huge_pages_free(host) == 70
    assert not state.leftovers(host)
    host.check(f"echo 0 >{pool}; rm /tmp/d")


@on(A)
def test_more_memory_than_the_host_has(host: Board) -> None:
    """The host has 2 GiB; what a guest does not touch it does not have."""
    told = json.loads(host.check(f"bpmp-vmm layout {FILES} --memory 256G --json"))
    ram = [row for row in told["addresses"] if row["address"] == 0x40000000]
    assert [row["size"] for row in ram] == [256 << 30]
    host.check(f"bpmp-vmm check {FILES} --memory 256G")
    with state.small_pages(host), Vm(host, memory="8G") as vm:
        vm.up()
        total = int(vm.guest("sed -n 's/^MemTotal: *//p' /proc/meminfo").split()[0])
        assert total > 7900 << 10
        vm.guest("dd if=/dev/urandom of=/tmp/a bs=1M count=4 2>/dev/null; cp /tmp/a /tmp/b")
        assert vm.guest("cmp /tmp/a /tmp/b && echo same") == "same"
        vm.ends(0, "poweroff -f")
