# SPDX-License-Identifier: Apache-2.0
"""iperf3 both ways over all that a guest's network can be: a tap by vhost-net, a tap by a worker,
passt. The figures are an emulator's; what counts is that bytes came through and connections
ended well."""

from __future__ import annotations

import json

import pytest

import state
from board import Board
from kinds import A_DEBIAN, on
from vm import Vm

SECONDS, ENOUGH = 2, 256 << 10
IPERF = "chroot /debian iperf3"
# passt gives the guest the address of the host's interface with the default route.
OTHER, ROUTER, FORWARDED = "10.8.0.1", "10.11.0.2", 5301
TAPS = {"t0": "10.9.0", "t1": "10.10.0", "t2": "10.11.0"}
OPTIONS = ("--cpus 2 --disk /dev/vda,ro --net tap=t0 --net tap=t1,vhost=off "
           f"--net user,hostfwd=tcp:127.0.0.1:{FORWARDED}-:5201")


def prepare_guest(vm: Vm) -> None:
    vm.guest("mkdir /debian && mount -o ro /dev/vda /debian && mount -o bind /dev /debian/dev && "
             "mount -o bind /tmp /debian/tmp")
    vm.guest("ip addr add 10.9.0.2/24 dev eth0 && ip addr add 10.10.0.2/24 dev eth1 && "
             "ip addr add 10.11.0.1/24 dev eth2 && "
             "for n in 0 1 2; do ip link set eth$n up || exit 1; done && "
             f"ip route add default via {ROUTER}")
    vm.guest(f"{IPERF} -s -D", 60)


def judge(host: Board, what: str, text: str, exits: int) -> None:
    result = json.loads(text)
    assert "error" not in result, text
    came = result["end"]["sum_received"]
    assert came["bytes"] >= ENOUGH, text
    exits = state.kvm_counters(host)["mmio_exit_user"] - exits
    print(f"{what}: {came['bits_per_second'] / 1e6:.1f} Mbit/s, "
          f"{exits} exits to user space")
    assert exits == 0


def from_host(host: Board, what: str, to: str) -> None:
    """To the guest, and back (-R)."""
    for way in ("", "-R"):
        exits = state.kvm_counters(host)["mmio_exit_user"]
        text = host.check(f"{IPERF} -J -t {SECONDS} {way} -c {to}", 120)
        judge(host, f"{what} {way or 'to the guest'}", text, exits)


@pytest.mark.fast
@on(A_DEBIAN)
def test_iperf_both_ways(host: Board) -> None:
    host.check("ip link set lo up; " + "; ".join(
        f"tunctl -t {tap} >/dev/null; ip addr add {net}.1/24 dev {tap}; ip link set {tap} up"
        for tap, net in TAPS.items()))
    host.check(f"ip route add default via {ROUTER}; ip addr add {OTHER}/32 dev lo; {IPERF} -s -D")
    with Vm(host, OPTIONS) as vm:
        vm.up()
        prepare_guest(vm)
        from_host(host, "tap, vhost-net", "10.9.0.2")
        from_host(host, "tap, worker", "10.10.0.2")
        from_host(host, "passt, forwarded", f"127.0.0.1 -p {FORWARDED}")
        for way in ("", "-R"):
            exits = state.kvm_counters(host)["mmio_exit_user"]
            text = vm.guest(f"{IPERF} -J -t {SECONDS} {way} -c {OTHER} >/tmp/said; cat /tmp/said",
                            120)
            judge(host, f"passt, from the guest {way}", text, exits)
        vm.ends(0, "poweroff -f")
    host.check("killall iperf3; ip route del default; "
               "for t in t0 t1 t2; do tunctl -d $t; done; ip addr del 10.8.0.1/32 dev lo")
