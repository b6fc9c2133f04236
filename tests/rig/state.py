# SPDX-License-Identifier: Apache-2.0
"""What a VM does to its host, read there: processes, descriptors, mappings, the BPMP, interrupts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from board import Board

BPMP = "/sys/kernel/debug/bpmp"
IOMMU = "/sys/kernel/debug/rig_iommu"
PROGRAMS = ("qemu-storage-daemon", "passt")  # that bpmp-vmm starts


class Process(NamedTuple):
    pid: int
    role: str  # "machine", the worker's kind, or the program's name


class Request(NamedTuple):
    """A line of the BPMP's log."""

    node: str
    name: str  # "clk.enable"
    id: int
    arg: int
    result: str  # "0", a negative BPMP error, or "errno=E"


@dataclass
class Memory:
    """Bytes that all processes of a VM hold; guest RAM is apart, as it is shared memory."""

    private: int
    files: int
    shared: int


def processes(host: Board) -> list[Process]:
    """Every process of every VM: a worker's name may differ, its executable does not."""
    listing = host.run("ls -l /proc/[0-9]*/exe 2>/dev/null | grep usr/bin/").output
    found = []
    for pid, program in re.findall(r"/proc/(\d+)/exe -> \S*bin/(\S+)", listing):
        if program in PROGRAMS:
            found.append(Process(int(pid), program))
        if program != "bpmp-vmm":
            continue
        words = host.run(f"tr '\\0' '\\n' </proc/{pid}/cmdline").output.split("\n")
        found.append(Process(int(pid), words[2] if words[1:2] == ["worker"] else "machine"))
    return found


def worker(host: Board, kind: str) -> int:
    """The process id of the only worker of a kind, or of the only such program."""
    pids = [process.pid for process in processes(host) if process.role == kind]
    assert len(pids) == 1, f"workers of kind {kind}: {pids}"
    return pids[0]


def wait_for_back_end(host: Board, machine: int) -> None:
    """Until a thread of the machine waits for a back end: a driver's reset is under way. It is in
    ppoll() then, for an answer or for the end of requests; else none ever is."""
    host.check(f"for i in $(seq 200); do grep -qs '^73 ' /proc/{machine}/task/*/syscall && "
               "exit 0; sleep 0.05; done; exit 1", 60)


def vfio_descriptors(host: Board) -> list[str]:
    return host.run("ls -l /proc/[0-9]*/fd 2>/dev/null | grep vfio").output.splitlines()


def mappings(host: Board) -> list[tuple[int, int]]:
    """(IOVA, bytes) of what devices can reach, neighbours joined, in ascending order."""
    lines = host.run(f"cat {IOMMU}/ranges 2>/dev/null").output.splitlines()
    return [(int(iova, 16), int(size, 16)) for _, iova, size, _ in map(str.split, lines)]


def bpmp_log(host: Board) -> list[Request]:
    requests = []
    for line in host.file(f"{BPMP}/log").splitlines():
        _, node, *words, name = line.split()
        fields = dict(word.split("=", 1) for word in words)
        result = fields.get("result") or f"errno={fields['errno']}"
        requests.append(Request(node, name, int(fields["id"], 0), int(fields["arg"], 0), result))
    return requests


def bpmp_state(host: Board) -> dict[tuple[str, int], dict[str, int]]:
    """By ("clock", id), ("reset", id), ("power-domain", id)."""
    state = {}
    for line in host.file(f"{BPMP}/state").splitlines():
        kind, ident, _, *words = line.split()
        state[kind, int(ident)] = {key: int(value) for key, value in
                                   (word.split("=", 1) for word in words)}
    return state


def interrupts(host: Board, interrupt: int) -> int:
    """How often an interrupt of the GIC has come since the host's boot, whoever had it then."""
    text = host.run("cd /sys/kernel/irq && grep -H . */hwirq */per_cpu_count 2>/dev/null").output
    fields = {(irq, name): value for irq, name, value in
              re.findall(r"^(\d+)/(\w+):([\d,]+)$", text, re.MULTILINE)}
    return sum(int(count) for (irq, name), value in fields.items() if name == "hwirq"
               and int(value) == interrupt for count in fields[irq, "per_cpu_count"].split(","))


def vfio_interrupts(host: Board) -> int:
    """How often the interrupts that VFIO has now have come since the host's boot."""
    count = 0
    for line in host.run("grep vfio /proc/interrupts").output.splitlines():
        numbers = re.match(r"\s*\d+:((?:\s+\d+)+)\s", line)
        count += sum(int(number) for number in numbers[1].split()) if numbers else 0
    return count


def kvm_counters(host: Board) -> dict[str, int]:
    """KVM's counters summed over all VMs; they are gone when the VM is."""
    text = host.run("grep -H . /sys/kernel/debug/kvm/*[a-z] 2>/dev/null").output
    return {name: int(value) for name, value in
            re.findall(r"/kvm/(\w+):(\d+)$", text, re.MULTILINE)}


def memory(host: Board) -> Memory:
    total = Memory(0, 0, 0)
    for process in processes(host):
        text = host.file(f"/proc/{process.pid}/status")
        sizes = {key: int(kib) * 1024 for key, kib in re.findall(r"(Rss\w+):\s+(\d+) kB", text)}
        total.private += sizes["RssAnon"]
        total.files += sizes["RssFile"]
        total.shared += sizes["RssShmem"]
    return total


def leftovers(host: Board) -> list[str]:
    """What a VM that is gone should not have left; empty if all is well."""
    found = [f"process {process.pid} ({process.role})" for process in processes(host)]
    found += [f"descriptor {line}" for line in vfio_descriptors(host)]
    found += [f"mapping {iova:#x} + {size:#x}" for iova, size in mappings(host)]
    return found


def reset_network(host: Board) -> None:
    """As after a boot: what scenarios made goes, with its addresses and routes."""
    host.check("cd /sys/class/net; for i in *; do case $i in lo|sit0) ;; *) ip link del $i;; esac; "
               "done; ip addr flush dev lo; ip link set lo down")


@contextlib.contextmanager
def small_pages(host: Board) -> Iterator[None]:
    """No large pages for VMs that start now."""
    choice = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
    host.check(f"echo never >{choice}")
    try:
        yield
    finally:
        host.check(f"echo advise >{choice}")


def reset_bpmp(host: Board) -> None:
    """The firmware's state as at load, its log empty, no fault set."""
    host.run(f"[ -d {BPMP} ] && cd {BPMP} && echo off >fault && echo 1 >state_reset && "
             "echo 1 >log_clear")
