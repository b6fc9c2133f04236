# SPDX-License-Identifier: Apache-2.0
"""Sockets between host and guest by the kernel's vhost-vsock: both ways, across reboots, and what
a message costs in exits to user space."""

from __future__ import annotations

import signal

import state
from board import Board
from kinds import A, B, on
from vm import Vm

CID, PORT = 42, 1234
TOTAL, CHUNK = 400000, 10000
MESSAGES = 200


def serve_in_guest(vm: Vm) -> None:
    vm.guest(f"rig-stream serve vsock:any:{PORT} >/tmp/serving & "
             "until grep -q serving /tmp/serving; do sleep 0.1; done")


def call_guest(host: Board, total: int, chunk: int) -> None:
    said = host.check(f"rig-stream call vsock:{CID}:{PORT} {total} {chunk}", 120)
    assert said == f"{total} bytes came back the same"


def both_ways(host: Board, vm: Vm) -> None:
    serve_in_guest(vm)
    call_guest(host, TOTAL, CHUNK)
    said = vm.guest(f"rig-stream call vsock:2:{PORT} {TOTAL} {CHUNK}", 120)
    assert said.endswith(f"{TOTAL} bytes came back the same")


def message_exits(host: Board) -> int:
    """Of MESSAGES sent to the guest and as many that it sends back, one after the other."""
    before = state.kvm_counters(host)["mmio_exit_user"]
    call_guest(host, MESSAGES * 100, 100)
    return state.kvm_counters(host)["mmio_exit_user"] - before


def sockets_across_a_reboot(host: Board, path: str) -> None:
    service = host.start(f"exec rig-stream serve vsock:any:{PORT}", "service", terminal=False)
    service.wait_for("serving", 20)
    with Vm(host, f"--vsock {CID} --fast-path {path}") as vm:
        vm.up()
        both_ways(host, vm)
        exits = message_exits(host)
        print(f"exits to user space: {exits} for {2 * MESSAGES} messages, fast path {path}")
        assert (exits == 0) == (path == "on")
        # A driver that lets go and takes over again, then a guest that begins anew.
        device = vm.guest("basename /sys/bus/virtio/drivers/vmw_vsock_virtio_transport/virtio*")
        vm.guest(f"killall rig-stream; cd /sys/bus/virtio/drivers/vmw_vsock_virtio_transport && "
                 f"echo {device} >unbind && echo {device} >bind")
        both_ways(host, vm)
        vm.console.sendline("reboot -f")
        vm.up()
        both_ways(host, vm)
        # One address, one VM.
        status, said = host.run(f"bpmp-vmm --kernel /guest/Image --console none --vsock {CID}")
        assert status == 3 and "another VM" in said, said
        vm.ends(0, "poweroff -f")
    service.kill(signal.SIGTERM)
    service.wait(20)


@on(A, B)
def test_sockets_both_ways_across_a_reboot(host: Board) -> None:
    sockets_across_a_reboot(host, "on")


@on(A)
def test_the_trapping_path_serves_them_too(host: Board) -> None:
    sockets_across_a_reboot(host, "off")
