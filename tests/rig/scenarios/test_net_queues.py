# SPDX-License-Identifier: Apache-2.0
"""An interface with a pair of queues for each vCPU: used, changed under traffic, and what there is
where the tap has one queue only."""

from __future__ import annotations

import state
from board import Board
from kinds import A, on
from vm import Vm

HOST, GUEST, PORT = "10.9.0.1", "10.9.0.2", 1234
FLOWS, CHUNK = 20, 2000
TOTAL, SEGMENT = 2000000, 1448
OPTION = "--net tap=t0"


def configure(vm: Vm) -> None:
    vm.guest(f"ip addr add {GUEST}/24 dev eth0 && ip link set eth0 up")
    vm.guest(f"rig-stream serve tcp:0.0.0.0:{PORT} >/tmp/serving & "
             "until grep -q serving /tmp/serving; do sleep 0.1; done")


def pairs(vm: Vm) -> str:
    return vm.guest("rig-queues eth0").split("\n", maxsplit=1)[0]


def work(host: Board, vm: Vm) -> list[int]:
    """How often the kernel's thread for each pair has gone to sleep again."""
    tasks = f"/proc/{vm.pid()}/task"
    output = host.check(f"cd {tasks} && grep -l ^vhost- */comm | sort -n | while read t; do "
                        "sed -n 's/^voluntary_ctxt_switches:.//p' ${t%comm}status; done")
    return [int(count) for count in output.split()]


def connect(host: Board, flows: int = FLOWS) -> None:
    """One connection after the other: a flow each, which the host gives a queue by its hash."""
    said = host.check(f"for i in $(seq {flows}); do rig-stream call tcp:{GUEST}:{PORT} {2 * CHUNK} "
                      f"{CHUNK} & wait; done", 120)
    assert said.count("bytes came back the same") == flows, said


def second_user(host: Board, vm: Vm) -> None:
    """Is told so, and takes neither frames nor offloads away from the first."""
    for link in ("down", "up"):
        host.check(f"ip link set t0 {link}")
        for verb in ("check", ""):
            status, said = host.run(f"timeout 20 bpmp-vmm {verb} --kernel /guest/Image "
                                    f"--console none {OPTION}", 30)
            assert status == 3 and "another program has it open" in said, said
    # The tap leaves large segments to the guest: fewer frames than one for each segment.
    received = "cat /sys/class/net/eth0/statistics/rx_packets"
    before = int(vm.guest(received))
    host.check(f"rig-stream call tcp:{GUEST}:{PORT} {TOTAL} 100000", 180)
    assert int(vm.guest(received)) - before < TOTAL // SEGMENT


@on(A)
def test_pairs_are_used_and_changed_under_traffic(host: Board) -> None:
    host.check(f"rig-tap t0 && ip addr add {HOST}/24 dev t0 && ip link set t0 up")
    with Vm(host, f"--cpus 2 {OPTION}") as vm:
        for boot in range(2):
            vm.up()
            assert pairs(vm) == "2 of 2"
            configure(vm)
            before = work(host, vm)
            exits = state.kvm_counters(host)["mmio_exit_user"]
            connect(host)
            assert all(now > then + 10 for now, then in zip(work(host, vm), before, strict=True))
            assert vm.traps or state.kvm_counters(host)["mmio_exit_user"] == exits
            # Frames for a queue that is not used would be lost, and their connections stand still.
            vm.guest("(while :; do rig-queues eth0 1; sleep 0.2; rig-queues eth0 2; sleep 0.2; done) "
                     "& echo $! >/tmp/changing")
            connect(host, 3 * FLOWS)
            vm.guest("kill $(cat /tmp/changing); sleep 0.5")
            vm.guest("rig-queues eth0 1")
            before = work(host, vm)
            connect(host)
            assert [now > then for now, then in zip(work(host, vm), before)] == [True, False]
            vm.guest("rig-queues eth0 2")
            connect(host)
            assert work(host, vm)[1] > before[1]
            if boot == 0:
                second_user(host, vm)
                vm.console.sendline("reboot -f")
        host.check(f"kill -KILL {state.worker(host, 'net-control')}")
        assert "net0 failed: killed by signal 9" in vm.ends(6)
    # One queue of a tap for several is enough for a worker.
    with Vm(host, f"--cpus 2 {OPTION},vhost=off") as vm:
        vm.up()
        configure(vm)
        connect(host)
        vm.ends(0, "poweroff -f")
    host.check("ip link del t0")


@on(A)
def test_tap_with_one_queue(host: Board) -> None:
    host.check(f"tunctl -t t0 >/dev/null && ip addr add {HOST}/24 dev t0 && ip link set t0 up")
    with Vm(host, f"--cpus 2 {OPTION}") as vm:
        vm.up()
        assert pairs(vm) == "1 of 1"
        configure(vm)
        connect(host)
        assert "net-control" not in {process.role for process in state.processes(host)}
        assert "mode tap multi_queue" in vm.ends(0, "poweroff -f")
    host.check("tunctl -d t0")
