# SPDX-License-Identifier: Apache-2.0
"""A guest's network: a tap and a macvtap of the host, by the kernel's vhost-net, by a worker or by
another program, across reboots, and what a packet costs in exits to user space."""

from __future__ import annotations

import signal

import state
from board import Board
from kinds import A, B, on
from vm import Vm

HOST, GUEST, PORT = "10.9.0.1", "10.9.0.2", 1234
TOTAL, CHUNK = 600000, 100000
PACKETS = 1000
MAC = "52:54:00:12:34:56"
TAP = (f"tunctl -t t0 >/dev/null && ip addr add {HOST}/24 dev t0 && ip link set t0 up")


def configure(vm: Vm) -> str:
    """Brings the guest's interface up; returns its address."""
    vm.guest(f"ip addr add {GUEST}/24 dev eth0 && ip link set eth0 up")
    vm.guest(f"rig-stream serve tcp:0.0.0.0:{PORT} >/tmp/serving & "
             "until grep -q serving /tmp/serving; do sleep 0.1; done")
    return vm.guest("cat /sys/class/net/eth0/address")


def call(total: int, chunk: int, to: str) -> str:
    return f"rig-stream call tcp:{to}:{PORT} {total} {chunk}"


def both_ways(host: Board, vm: Vm) -> None:
    host.check(f"ping -c 2 -W 10 {GUEST}", 60)
    vm.guest(f"ping -c 2 -W 10 {HOST}", 60)
    assert host.check(call(TOTAL, CHUNK, GUEST), 180).startswith(str(TOTAL))
    assert f"{TOTAL} bytes" in vm.guest(call(TOTAL, CHUNK, HOST), 180)


def packets(vm: Vm) -> int:
    """That have passed the guest's interface, either way."""
    return sum(map(int, vm.guest("cat /sys/class/net/eth0/statistics/[rt]x_packets").split()))


def packet_exits(host: Board, vm: Vm, count: int) -> int:
    """Of `count` and some more, to the guest and answered, one after the other."""
    exits, seen = state.kvm_counters(host)["mmio_exit_user"], packets(vm)
    host.check(call(count * 50, 100, GUEST), 240)
    exits, seen = state.kvm_counters(host)["mmio_exit_user"] - exits, packets(vm) - seen
    print(f"exits to user space: {exits} for {seen} packets")
    assert seen >= count
    return exits


def tap_across_a_reboot(host: Board, path: str, vhost: str = "on", count: int = PACKETS) -> None:
    host.check(TAP)
    service = host.start(f"exec rig-stream serve tcp:0.0.0.0:{PORT}", "service", terminal=False)
    service.wait_for("serving", 20)
    with Vm(host, f"--net tap=t0,vhost={vhost} --name one --fast-path {path}") as vm:
        vm.up()
        mac = configure(vm)
        assert int(mac[:2], 16) & 3 == 2, mac
        both_ways(host, vm)
        # Large segments went through whole, so checksums and segmentation were left to the tap.
        features = vm.guest("cat /sys/class/net/eth0/device/features")
        assert all(features[bit] == "1" for bit in (0, 1, 5, 7, 8, 11, 12)), features
        # A frame may be in several buffers, so that a guest need not have 64 KiB for each.
        assert features[15] == "1"
        exits = packet_exits(host, vm, count)
        assert (exits == 0) == (path == "on")
        vm.console.sendline("reboot -f")
        vm.up()
        assert configure(vm) == mac
        both_ways(host, vm)
        # One tap, one VM.
        status, said = host.run("bpmp-vmm --kernel /guest/Image --console none --net tap=t0")
        assert status == 3 and "another program" in said, said
        vm.ends(0, "poweroff -f")
    service.kill(signal.SIGTERM)
    service.wait(20)
    host.check("tunctl -d t0")


@on(A, B)
def test_tap_both_ways_across_a_reboot(host: Board) -> None:
    tap_across_a_reboot(host, "on", count=10 * PACKETS if host.kind == A else PACKETS)


@on(A)
def test_the_trapping_path_serves_a_tap_too(host: Board) -> None:
    tap_across_a_reboot(host, "off")


@on(A)
def test_a_worker_serves_a_tap_too(host: Board) -> None:
    tap_across_a_reboot(host, "on", vhost="off")


@on(A)
def test_another_program_serves_an_interface(host: Board) -> None:
    """Our worker, started by hand: nothing of this VM but its socket."""
    socket = "/tmp/net.socket"
    host.check(TAP)
    worker = host.start(f"exec rig-networker {socket} t0 2>/tmp/worker.log", "worker",
                        terminal=False)
    host.check(f"until [ -S {socket} ]; do sleep 0.1; done")
    status, said = host.run(f"bpmp-vmm check --kernel /guest/Image --net vhost-user={socket}")
    assert status == 0, said
    with Vm(host, f"--net vhost-user={socket},mac={MAC}") as vm:
        for boot in range(2):
            vm.up()
            assert configure(vm) == MAC
            assert vm.guest("cut -c 1,2,6,16,18 /sys/class/net/eth0/device/features") == "11110"
            host.check(f"ping -c 2 -W 10 {GUEST}", 60)
            assert host.check(call(TOTAL, CHUNK, GUEST), 180).startswith(str(TOTAL))
            if boot == 0:
                vm.console.sendline("reboot -f")
        worker.kill(signal.SIGTERM)
        assert "net0" in vm.ends(6)
    status, said = host.run(f"bpmp-vmm --kernel /guest/Image --net vhost-user={socket}")
    assert status == 3 and "start its back end first" in said, said
    host.check("tunctl -d t0")


@on(A)
def test_macvtap_by_its_descriptor(host: Board) -> None:
    """A guest with both ends: a tap that is a bridge's port, and a macvtap on that bridge."""
    host.check("tunctl -t t0 >/dev/null && brctl addbr br0 && brctl addif br0 t0 && "
               "ip link set t0 up && ip link set br0 up && "
               "ip link add link br0 name mv0 type macvtap && ip link set mv0 up")
    node = "/dev/tap" + host.file("/sys/class/net/mv0/ifindex")
    with Vm(host, f"--net tap=t0,mac={MAC} --net fd=7 7<>{node}") as vm:
        vm.up()
        assert configure(vm) == MAC
        assert vm.guest("cat /sys/class/net/eth1/address") == host.file(
            "/sys/class/net/mv0/address")
        # Each end in a network of its own, or the guest would not use the wire.
        vm.guest("unshare -n sleep 1000 & sleep 1; echo $! >/tmp/other")
        other = "nsenter -n -t $(cat /tmp/other)"
        vm.guest("ip link set eth1 netns $(cat /tmp/other)")
        vm.guest(f"{other} ip addr add {HOST}/24 dev eth1 && {other} ip link set eth1 up")
        vm.guest(f"{other} ping -c 2 -W 10 {GUEST}", 60)
        assert f"{TOTAL} bytes" in vm.guest(f"{other} {call(TOTAL, CHUNK, GUEST)}", 180)
        vm.ends(0, "poweroff -f")
    host.check("ip link del mv0; ip link set br0 down && brctl delbr br0 && tunctl -d t0")
