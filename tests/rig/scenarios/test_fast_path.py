# SPDX-License-Identifier: Apache-2.0
"""What requests cost in exits to user space: none on the path without exits, counted by KVM; and
the trapping path, which must do the same work."""

from __future__ import annotations

import pytest

import guest_bpmp as mrq
import state
import uart
from board import Board
from kinds import A, A_GICV2, A_PROGRAMS, B, on
from vm import Vm

# As the options select it: the paths of the whole VM, and of the BPMP alone.
FAST, TRAPPING, BPMP_TRAPPING = "on", "off", "on --bpmp mailbox,trap"
REQUESTS = 50
BYTES = 40000
DISK_REQUESTS = 10000


def start(host: Board, path: str) -> Vm:
    return Vm(host, f"--fast-path {path} --passthrough {uart.uart_of(host.kind).passthrough}")


def exits(host: Board) -> int:
    return state.kvm_counters(host)["mmio_exit_user"]


def console_exits(host: Board, vm: Vm) -> int:
    """Of BYTES written to hvc0, and a command typed."""
    before = exits(host)
    assert len(vm.guest(f"head -c {BYTES} /dev/zero | tr '\\0' x", 60)) == BYTES
    return exits(host) - before


def bpmp_exits(host: Board, vm: Vm) -> int:
    """Of REQUESTS requests that the worker answers and as many that go to the host."""
    mrq.request(vm, mrq.MRQ_PING, 1)
    clock = mrq.CLK_GET_RATE | uart.uart_of(host.kind).clock
    before = exits(host)
    vm.guest(f"for i in $(seq {REQUESTS}); do echo '0 1' >{mrq.FILE}; "
             f"echo '22 {clock:#x} 0 0 0' >{mrq.FILE}; done", 120)
    return exits(host) - before


@on(A, A_GICV2, B)
def test_requests_take_no_exit(host: Board) -> None:
    with start(host, FAST) as vm:
        vm.up()
        assert console_exits(host, vm) == 0
        assert bpmp_exits(host, vm) == 0
        # What a used buffer notification does not carry: the device's registers were read.
        assert "virtio" in vm.guest("ls /sys/bus/virtio/drivers/virtio_console")
        vm.ends(0, "poweroff -f")


@pytest.mark.parametrize("path", [TRAPPING, BPMP_TRAPPING])
@on(A, long=(B,))
def test_the_trapping_path_serves_too(host: Board, path: str) -> None:
    with start(host, path) as vm:
        vm.up()
        console = console_exits(host, vm)
        bpmp = bpmp_exits(host, vm)
        print(f"exits to user space: {console} for {BYTES} console bytes, {bpmp} for "
              f"{2 * REQUESTS} requests")
        assert bpmp > 2 * REQUESTS
        assert (console > 0) == (path == TRAPPING)
        tty = uart.open_tty(vm)
        uart.from_guest(vm, tty)
        uart.to_guest(vm, tty)
        vm.ends(0, "poweroff -f")


@on(A)
def test_reboots_on_either_path(host: Board) -> None:
    """Slots, ioeventfds and irqfds are made anew with each VM; what was rung before is not heard."""
    for path in (FAST, TRAPPING):
        with start(host, path) as vm:
            vm.up()
            for _ in range(2):
                vm.console.sendline("reboot -f")
                vm.up()
            assert mrq.request(vm, mrq.MRQ_PING, 21).words[0] == 42
            vm.ends(0, "poweroff -f")


def disk_exits(host: Board, vm: Vm, device: str, requests: int) -> int:
    """Of so many requests of one sector each, one after the other."""
    count = "awk '{ print $1 + $5 }' " + f"/sys/block/{device}/stat"  # that Linux made
    made, before = int(vm.guest(count)), exits(host)
    vm.guest(f"rig-bench disk /dev/{device} both sequential 512 {requests} 1", 200)
    taken = exits(host) - before
    assert int(vm.guest(count)) - made == requests
    return taken


def exits_of_either_disk(host: Board, path: str, raw: int, qcow2: int) -> tuple[int, int]:
    host.check("cd /tmp; rm -f raw qcow2; truncate -s 8M raw; qemu-img create -q -f qcow2 qcow2 8M")
    with Vm(host, f"--fast-path {path} --disk /tmp/raw --disk /tmp/qcow2,format=qcow2") as vm:
        vm.up()
        taken = disk_exits(host, vm, "vda", raw), disk_exits(host, vm, "vdb", qcow2)
        vm.ends(0, "poweroff -f")
    print(f"exits to user space: {taken[0]} for {raw} requests to a raw image, {taken[1]} for "
          f"{qcow2} to a qcow2 one, with --fast-path {path}")
    return taken


@on(A_PROGRAMS)
def test_disk_requests_take_no_exit(host: Board) -> None:
    """With either back end."""
    assert exits_of_either_disk(host, FAST, DISK_REQUESTS, 500) == (0, 0)


@pytest.mark.long
@on(A_PROGRAMS)
def test_what_disk_requests_take_on_the_trapping_path(host: Board) -> None:
    assert min(exits_of_either_disk(host, TRAPPING, 500, 500)) >= 500, "the kick of each at least"
