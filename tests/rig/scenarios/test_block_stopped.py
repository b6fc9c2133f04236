# SPDX-License-Identifier: Apache-2.0
"""A disk's back end that is stopped (SIGSTOP) while a driver resets the device: continued in time,
the reset goes through and nothing is lost; otherwise the device has failed after 10 s, and a signal
still ends the VM."""

from __future__ import annotations

import pytest

import state
from board import Board
from kinds import A, A_PROGRAMS, on
from vm import Vm

MIB = 1 << 20
DRIVER = "/sys/bus/virtio/drivers/virtio_blk"
STATUS = 0x70  # register (virtio 1.2, 4.2.2)
OVERDUE = "did not answer vhost-user request 11 in time"  # GET_VRING_BASE
UNFINISHED = "requests of the guest's have not ended in time"


def start(host: Board, role: str) -> Vm:
    if role == "block":
        host.check(f"rm -f /tmp/s; truncate -s {8 * MIB} /tmp/s")
        return Vm(host, "--cpus 2 --disk /tmp/s")
    host.check(f"rm -f /tmp/s; qemu-img create -q -f qcow2 /tmp/s {8 * MIB}")
    return Vm(host, "--cpus 2 --disk /tmp/s,format=qcow2")


def signal(host: Board, role: str, name: str) -> None:
    host.check(f"kill -{name} {state.worker(host, role)}")


def begin(host: Board, vm: Vm, reset: str) -> None:
    """Has the guest do what resets the device, and returns when it is waited for."""
    vm.console.sendline(f"(({reset}; echo reset-\"\"done) &)")
    state.wait_for_back_end(host, vm.pid())


def content(vm: Vm) -> str:
    return vm.guest("dd if=/dev/vda bs=1M count=1 2>/dev/null | sha256sum", 60)


def is_continued_under_requests(host: Board, vm: Vm, role: str) -> str:
    """A reset that Linux' driver knows nothing of: its writes are in flight, and may be done or not,
    as it was not told; what it was told of is there."""
    registers = vm.guest("basename $(realpath /sys/block/vda/device/..) .virtio_mmio")
    vm.guest("dd if=/dev/urandom of=/data bs=1M count=1 2>/dev/null; "
             "dd if=/data of=/dev/vda bs=1M conv=fsync 2>/dev/null")
    written = vm.guest("sha256sum </data")
    signal(host, role, "STOP")
    vm.guest("(dd if=/data of=/dev/vda bs=1M seek=1 conv=fsync 2>/dev/null &); (for i in $(seq 200); do "
             "read reads writes </sys/block/vda/inflight; [ $writes -gt 0 ] && exit 0; sleep 0.05; "
             "done; exit 1)", 30)
    begin(host, vm, f"devmem {int(registers, 16) + STATUS:#x} 32 0")
    signal(host, role, "CONT")
    vm.console.wait_for("reset-done", 20)
    vm.console.sendline("reboot -n -f")  # a sync would wait for writes whose queue is gone
    vm.up()
    assert content(vm) == written
    return written


def is_continued_under_a_driver(host: Board, vm: Vm, role: str, device: str, written: str) -> None:
    signal(host, role, "STOP")
    begin(host, vm, f"echo {device} >{DRIVER}/unbind")
    signal(host, role, "CONT")
    vm.console.wait_for("reset-done", 20)
    vm.guest(f"echo {device} >{DRIVER}/bind")
    assert content(vm) == written


BACK_ENDS = pytest.mark.parametrize("host,role", [
    pytest.param(A, "block", id="worker"),
    pytest.param(A_PROGRAMS, "qemu-storage-daemon", id="daemon", marks=pytest.mark.long),
], indirect=["host"])


@BACK_ENDS
def test_continued_then_told_to_end(host: Board, role: str) -> None:
    with start(host, role) as vm:
        vm.up()
        device = vm.guest("basename $(realpath /sys/block/vda/device)")
        written = is_continued_under_requests(host, vm, role)
        is_continued_under_a_driver(host, vm, role, device, written)
        assert OVERDUE not in vm.log() and UNFINISHED not in vm.log()
        signal(host, role, "STOP")
        begin(host, vm, f"echo {device} >{DRIVER}/unbind")
        host.check(f"kill -TERM {vm.pid()}")
        # The signal came first, so it is the cause; it then waits for the vCPU, which waits 10 s.
        log = vm.ends(7)
        assert log.index("stopped by SIGTERM") < log.index(OVERDUE), log


@BACK_ENDS
def test_not_continued(host: Board, role: str) -> None:
    with start(host, role) as vm:
        vm.up()
        device = vm.guest("basename $(realpath /sys/block/vda/device)")
        signal(host, role, "STOP")
        begin(host, vm, f"echo {device} >{DRIVER}/unbind")
        log = vm.ends(6)
        assert OVERDUE in log and "disk /tmp/s failed: its back end does not answer" in log, log
