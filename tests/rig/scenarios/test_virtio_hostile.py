# SPDX-License-Identifier: Apache-2.0
"""A guest without an operating system (../bare) that attacks every virtio device it has, with three
CPUs at once: registers, rings, requests and what changes them. No process may end for it, no file
but the disk's may change, and the next guest finds everything as it ought to be."""

from __future__ import annotations

import random
import re
import time
from typing import NamedTuple

import pytest

import state
from board import Board
from kinds import A, A_PROGRAMS, on
from streams import Hang
from vm import Vm

MIB = 1 << 20
HOST = "10.9.0.1"  # what the guest asks for with ARP
IMAGES = "/tmp/images"
DISK, READ_ONLY = f"{IMAGES}/disk", f"{IMAGES}/read-only"
DISK_SIZE = 4 * MIB
DISKS = f"--disk {DISK} --disk {READ_ONLY},ro"
CONSOLE = "/tmp/console"

# Beneath these the guest was stopped by something; how many more there are is the machine's affair.
ROUNDS = 1024  # of each CPU
USED = 64  # buffers that each device gave back
PATIENCE = 60  # seconds beyond the attack's, for these
LOG_LINES = 64  # each kind of complaint once for each queue, and some more
GROWTH = 8 * MIB  # of all processes together, without guest memory

CONSOLE_ID, DISK_ID, RNG_ID, NET_ID, BALLOON_ID, VSOCK_ID = 3, 2, 4, 1, 5, 19


class Served(NamedTuple):
    """By whom the guest's devices are served, and their types in the tree's order."""

    options: str
    types: tuple[int, ...]


WORKERS = Served(f"{DISKS} --net tap=t0,vhost=off --balloon",
                 (CONSOLE_ID, DISK_ID, DISK_ID, RNG_ID, NET_ID, BALLOON_ID))
KERNEL = Served(f"{DISKS} --net tap=t0,vhost=on --vsock 3",
                (CONSOLE_ID, DISK_ID, DISK_ID, RNG_ID, NET_ID, VSOCK_ID))

QCOW2 = Served(f"--disk {IMAGES}/qcow2,format=qcow2", (CONSOLE_ID, DISK_ID, RNG_ID))

paths = pytest.mark.parametrize("path", ["on", "off"])


def prepare(host: Board) -> None:
    host.check(f"mkdir {IMAGES}; cd {IMAGES}; yes hostile | head -c {DISK_SIZE} >disk; "
               f"yes read-only | head -c {2 * MIB} >read-only; echo beside >beside; chmod 400 beside")
    host.check(f"rig-tap t0 && ip addr add {HOST}/24 dev t0 && ip link set t0 up")


def files(host: Board) -> str:
    """All that is in the images' directory, and all bytes of it that no guest may change."""
    return host.check(f"cd {IMAGES} && stat -c '%n %s %a' * && sha256sum read-only beside", 60)


def frames(host: Board, way: str) -> int:
    return int(host.file(f"/sys/class/net/t0/statistics/{way}_packets"))


class Attack:
    """A VM under attack, and what was seen of it."""

    def __init__(self, host: Board, served: Served, path: str) -> None:
        self.host, self.served = host, served
        self.seed = random.SystemRandom().getrandbits(64)
        self.rounds: list[int] = [0]
        self.used: list[int] = [0]
        self.vm = Vm(host, f"--cpus 3 --serial stdio --fast-path {path} {served.options}",
                     words=f"do=queues seed={self.seed:x}", memory="64M",
                     console=f"unix={CONSOLE}", files="--kernel /guest/bare")

    def begin(self) -> None:
        """The console's other end never stops sending."""
        self.vm.console.wait_for(f"bare: up, seed {self.seed:#x}", 90)
        self.host.start(f"rig-relay {CONSOLE} </dev/zero | (head -c {MIB} >/tmp/said; "
                        "exec cat >/dev/null)", "relay", terminal=False)
        self.look()

    def look(self) -> None:
        self.vm.console.wait_for(r"bare: ([\d and]+) rounds, \d+ aborts, used ([\d :]+)\r?\n", 120)
        self.rounds = [int(word) for word in self.vm.console.match[1].split(b" and ")]
        fields = [word.split(b":") for word in self.vm.console.match[2].split()]
        assert tuple(int(kind) for kind, _ in fields) == self.served.types
        self.used = [int(used) for _, used in fields]

    def go_on(self, seconds: float) -> None:
        """For so long, and until all CPUs have done their rounds and all devices have served."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end or min(self.rounds) < ROUNDS or min(self.used) < USED:
            assert now < end + PATIENCE, f"seed {self.seed:#x}: {self.rounds} rounds, {self.used} used"
            self.look()
        print(f"seed {self.seed:#x}: {self.rounds} rounds; used, by type: " + ", ".join(
            f"{kind}: {used}" for kind, used in zip(self.served.types, self.used)))


def attack(host: Board, served: Served, path: str, seconds: float) -> None:
    prepare(host)
    before = files(host)
    attacked = Attack(host, served, path)
    with attacked.vm as vm:
        attacked.begin()
        there, memory = state.processes(host), state.memory(host)
        attacked.go_on(seconds)
        assert state.processes(host) == there, f"seed {attacked.seed:#x}:\n{vm.log()}"
        now = state.memory(host)
        print(f"memory of {len(there)} processes: {memory} then {now}")
        assert now.private + now.files < memory.private + memory.files + GROWTH, (memory, now)
        assert now.shared <= (64 * MIB + MIB) * len(there), now
        host.check(f"kill -TERM {vm.pid()}")
        log = vm.ends(7, seconds=60)
    assert len(log.splitlines()) < LOG_LINES and len(log) < 200 * LOG_LINES, log
    assert not re.search(r"runtime error|Sanitizer|killed by signal|does not answer|refuses", log), log
    kernel = host.check("dmesg")
    assert not re.search(r"BUG|Oops|WARNING|segfault|SECCOMP|blocked for more", kernel), kernel
    assert files(host) == before
    # What was served was more than errors.
    assert host.check(f"yes hostile | head -c {DISK_SIZE} | cmp -s - {DISK} || echo changed") == "changed"
    assert int(host.check("stat -c %s /tmp/said")) > 0
    assert frames(host, "rx") > 0 and frames(host, "tx") > 0


def next_guest(host: Board, served: Served) -> None:
    """Linux, on what the attack has left."""
    with Vm(host, f"--cpus 2 {served.options}") as vm:
        vm.up()
        for name, path in (("vda", DISK), ("vdb", READ_ONLY)):
            assert vm.guest(f"sha256sum /dev/{name}", 60).split()[0] == host.check(
                f"sha256sum {path}", 60).split()[0]
        vm.guest("ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up")
        vm.guest(f"ping -c 1 -W 10 {HOST}", 30)
        vm.ends(0, "poweroff -f")


@paths
@on(A)
def test_hostile_to_our_workers(host: Board, path: str) -> None:
    attack(host, WORKERS, path, 6)
    if path == "on":  # what is left does not depend on it
        next_guest(host, WORKERS)


@pytest.mark.long
@pytest.mark.deadline(900)
@paths
@on(A)
def test_hostile_to_our_workers_for_five_minutes(host: Board, path: str) -> None:
    attack(host, WORKERS, path, 300)
    next_guest(host, WORKERS)


@pytest.mark.long
@pytest.mark.deadline(900)
@paths
@on(A)
def test_hostile_to_the_kernel_s_vhost(host: Board, path: str) -> None:
    """Whose threads are the machine's, and whose complaints the host's kernel logs."""
    attack(host, KERNEL, path, 60)
    next_guest(host, KERNEL)


GIVEN_UP = r"have not ended in time|closed (its|the) connection|does not answer"


@pytest.mark.long
@pytest.mark.deadline(600)
@on(A_PROGRAMS)
def test_hostile_to_qemu_storage_daemon(host: Board) -> None:
    """It may give its guest up, or not end requests that the guest falsified, and so end the VM; the
    image stays one, and the next guest has it."""
    prepare(host)
    host.check(f"cd {IMAGES} && qemu-img create -q -f qcow2 qcow2 16M")
    before = host.check(f"cd {IMAGES} && sha256sum disk read-only beside")
    end, used, ended = time.monotonic() + 60, 0, 0
    while time.monotonic() < end:
        attacked = Attack(host, QCOW2, "on")
        with attacked.vm as vm:
            try:
                attacked.begin()
                while time.monotonic() < end:
                    attacked.look()
                host.check(f"kill -TERM {vm.pid()}")
                status = vm.session.wait(60)
            except Hang:
                status = vm.session.wait(60)
                assert status == 6, vm.log()
            # Also where the daemon gave up in the moment of the signal.
            log = vm.ends(status)
            assert status == 7 or status == 6 and re.search(GIVEN_UP, log), (status, log)
            ended += status == 6
        used += attacked.used[1]
    print(f"used buffers of the disk: {used}; {ended} VMs ended by it")
    assert used >= USED
    assert host.check(f"cd {IMAGES} && qemu-img check -q qcow2 && sha256sum disk read-only beside") == before
    with Vm(host, QCOW2.options) as vm:
        vm.up()
        vm.guest("dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null && "
                 "dd if=/dev/zero of=/dev/vda bs=1M count=1 conv=fsync 2>/dev/null", 60)
        vm.ends(0, "poweroff -f")
