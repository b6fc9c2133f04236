# SPDX-License-Identifier: Apache-2.0
"""Back ends that stand still while the guest's driver takes its queues back: the deadline ends the
VM, and so does SIGTERM. Disks have this in test_block.py; the kernel's vhost cannot be stopped
without the machine whose thread it is."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from board import Board
from kinds import A_PROGRAMS, on
from vm import Vm
import state

SOCKET = "/tmp/{}.fs"


class Case(NamedTuple):
    worker: str  # the kind of the one that is stopped
    driver: str  # the guest's, which gives the device up
    options: str = ""
    device: str = ""  # as the log names it, if not as its worker


CASES = (
    Case("console", "virtio_console"),
    Case("rng", "virtio_rng"),
    Case("net", "virtio_net", "--net tap={},vhost=off", "net0"),
    Case("net-control", "virtio_net", "--cpus 2 --net tap={}", "net0"),
    Case("balloon", "virtio_balloon", "--balloon"),
    Case("virtiofsd", "virtiofs", f"--fs vhost-user={SOCKET},tag=t", "fs t"),
)
STATUS = 0x70  # register (virtio 1.2, 4.2.2)
NETWORK = ("tunctl -t user >/dev/null; ip addr add 10.9.0.1/24 dev user; ip link set user up; "
           "ip route add default via 10.9.0.2")


def let_go(driver: str) -> str:
    if driver == "virtio_balloon":
        # By its register: the driver would first wait for pages that it has reported as free.
        return (f"d=$(basename $(realpath /sys/bus/virtio/drivers/{driver}/virtio*/..) "
                f".virtio_mmio); devmem $((0x$d + {STATUS:#x})) 32 0")
    return f"cd /sys/bus/virtio/drivers/{driver} && for d in virtio*; do echo $d >unbind; done"


def processes(host: Board, command: str) -> list[int]:
    """Those whose command line begins with what matches."""
    output = host.check("for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline | "
                        f"grep -q '^{command}' && echo ${{p#/proc/}}; done 2>/dev/null; true")
    return [int(pid) for pid in output.split()]


class Stopped:
    """A VM whose guest waits for its power key, without a byte on its console, to run a command."""

    def __init__(self, host: Board, name: str, options: str) -> None:
        self.host, self.name = host, name
        self.vm = Vm(host, f"--name {name} --control /tmp/{name}.control {options}",
                     words="rig.key=ignore", memory="128M", name=name)

    def up(self, then: str) -> None:
        self.vm.up()
        self.vm.guest("insmod /modules/evdev.ko")
        self.vm.guest(f"(head -c 24 /dev/input/event0 >/tmp/key; {then}) >/dev/null 2>&1 & true")

    def stop(self, kind: str) -> None:
        if kind == "virtiofsd":
            pids = processes(self.host, f"virtiofsd --socket-path={SOCKET.format(self.name)} ")
        else:
            mine = self.host.run(f"grep -l '^PPid:.{self.pid()}$' /proc/[0-9]*/status").output
            pids = [process.pid for process in state.processes(self.host)
                    if process.role == kind and f"/proc/{process.pid}/status" in mine.split()]
            assert len(pids) == 1, (kind, pids)
        self.host.check(f"kill -STOP {' '.join(map(str, pids))}")

    def go(self) -> None:
        """Returns when a store of the guest's waits for a back end: the machine is in ppoll()."""
        self.host.check(f"bpmp-vmm powerdown --control /tmp/{self.name}.control")
        self.host.check(f"until grep -q '^73 ' /proc/{self.pid()}/task/*/syscall; do sleep 0.1; "
                        "done")

    def pid(self) -> int:
        pid, = processes(self.host, f"bpmp-vmm --kernel.* --name {self.name} ")
        return pid

    def ended(self, status: int) -> str:
        assert self.vm.session.wait(60) == status, self.vm.log()
        return self.vm.log()


@pytest.fixture(name="vms")
def fixture_vms(host: Board) -> object:
    made: list[Stopped] = []

    def make(name: str, options: str) -> Stopped:
        if "--net user" in options:
            host.check(NETWORK)
        if "tap=" in options:
            # One with several queues for several vCPUs.
            tap = "rig-tap" if "--cpus" in options else "tunctl -t"
            host.check(f"{tap} {name} >/dev/null && ip link set dev {name} up")
        if SOCKET in options:
            host.check(f"mkdir -p /tmp/share-{name}")
            host.start(f"exec virtiofsd --socket-path={SOCKET.format(name)} "
                       f"-o source=/tmp/share-{name} -o sandbox=chroot", f"server-{name}",
                       terminal=False)
            host.check(f"until [ -S {SOCKET.format(name)} ]; do sleep 0.1; done")
        made.append(Stopped(host, name, options.format(name)))
        return made[-1]

    yield make
    for stopped in made:
        stopped.vm.__exit__()
        host.run(f"tunctl -d {stopped.name}")


def stand_still(host: Board, vms: object, told: tuple[Case, ...]) -> None:
    """All VMs at once, as each waits for ten seconds; some are `told` to end meanwhile."""
    stopped = [vms(case.worker, case.options) for case in CASES]
    for case, vm in zip(CASES, stopped):
        vm.up(let_go(case.driver))
        vm.stop(case.worker)
    for case, vm in zip(CASES, stopped):
        vm.go()
        if case in told:
            host.check(f"kill -TERM {vm.pid()}")
    for case, vm in zip(CASES, stopped):
        status, said = ((7, "stopped by SIGTERM") if case in told else
                        (6, "failed: its back end does not answer"))
        log = vm.ended(status)
        assert said in log and (f"{case.device or case.worker}: the back end did not answer "
                                "vhost-user request 11 in time") in log, log
    assert not state.leftovers(host)


@on(A_PROGRAMS)
def test_a_driver_s_reset_has_a_deadline_and_sigterm_ends_it(host: Board, vms: object) -> None:
    stand_still(host, vms, CASES[::2])


@pytest.mark.long
@on(A_PROGRAMS)
def test_the_same_the_other_way_round(host: Board, vms: object) -> None:
    stand_still(host, vms, CASES[1::2])


@pytest.mark.long
@on(A_PROGRAMS)
def test_a_guest_s_reset_has_one_deadline(host: Board, vms: object) -> None:
    """Nobody is listened to meanwhile, so three do not take three times as long."""
    vm = vms("three", "--net tap={},vhost=off --balloon")
    vm.up("echo b >/proc/sysrq-trigger")  # Linux resets its devices on other ways
    for kind in ("net", "balloon", "rng"):
        vm.stop(kind)
    host.check("bpmp-vmm powerdown --control /tmp/three.control")
    assert vm.vm.session.wait(25) == 6, vm.vm.log()
    log = vm.vm.log()
    assert log.count("the back end did not answer vhost-user request 11") == 3, log


@pytest.mark.long
@on(A_PROGRAMS)
def test_passt_that_stands_still_is_waited_for_by_nobody(host: Board, vms: object) -> None:
    """The interface's worker goes on: its driver lets go and takes over again. The VM ends, too."""
    stopped = vms("user", "--net user")
    stopped.up(f"{let_go('virtio_net')}; echo $d >bind; ip link set eth0 up; "
               f"{let_go('virtio_net')}; {let_go('virtio_rng')}")
    stopped.stop("passt")
    stopped.stop("rng")
    stopped.go()
    host.check(f"kill -TERM {stopped.pid()}")
    log = stopped.ended(7)
    assert "rng: the back end did not answer" in log and "net0: the back end" not in log, log
    # Started by root it has become nobody, whom a machine without capabilities cannot kill.
    assert "passt (process " in log, log
    host.check("kill -CONT $(pidof passt); while pidof passt; do sleep 0.1; done")
    assert not state.leftovers(host)
