# SPDX-License-Identifier: Apache-2.0
"""A guest's life: up, down, again, and every way it can end."""

from __future__ import annotations

import base64
import re
import signal

import pytest

from board import Board
from kinds import A, A_4CPUS, A_GICV2, B, on
import state
from vm import FILES, Vm

EITHER = on(A, B)


@pytest.mark.parametrize("cpus", [1, 4])
@on(A, A_GICV2)
def test_power_off(host: Board, cpus: int) -> None:
    with Vm(host, f"--cpus {cpus}") as vm:
        vm.up()
        assert int(vm.guest("nproc")) == cpus
        assert f"CPU{cpus - 1}" in vm.guest("head -n 1 /proc/interrupts")
        vm.ends(0, "poweroff -f")


@on(B)
def test_power_off_board_b(host: Board) -> None:
    with Vm(host) as vm:
        vm.up()
        vm.ends(0, "poweroff -f")


@on(A_4CPUS)
def test_many_vcpus_each_in_its_place(host: Board) -> None:
    """The 17th has another affinity than the 1st, in the tree and to KVM."""
    host.check("truncate -s 1M /tmp/d")
    with Vm(host, "--cpus 17,affinity=0-3:2:1:0:3:0-3:0-3:1 --disk /tmp/d", memory="512M") as vm:
        vm.up()
        # The most that a disk has; each is used.
        assert int(vm.guest("ls /sys/block/vda/mq | wc -l")) == 16
        vm.guest("for i in $(seq 0 16); do taskset -c $i dd if=/dev/vda of=/dev/null bs=64k count=1 "
                 "skip=$((i % 16)) iflag=direct 2>/dev/null || exit 1; done", 60)
        assert int(vm.guest("nproc")) == 17
        assert vm.guest("cd /sys/firmware/devicetree/base/cpus; ls -d cpu@1??") == "cpu@100"
        where = host.check(f"grep -h Cpus_allowed_list /proc/{vm.pid()}/task/*/status").split()[1::2]
        assert where[-17:] == list("01232103012301231"), where
        assert "0-3" in where, "the event loop is not bound"
        # Four of the host's CPUs have run them all, and the guest knows what each had to wait.
        assert int(vm.guest("head -n 1 /proc/stat").split()[8]) > 0
        vm.ends(0, "poweroff -f")


@pytest.mark.parametrize("memory", ["64M", "1G"])
@on(A)
def test_memory_is_the_guests(host: Board, memory: str) -> None:
    with Vm(host, memory=memory) as vm:
        vm.up()
        total = int(vm.guest("sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
        given = {"64M": 64, "1G": 1024}[memory] * 1024
        assert given * 0.6 < total < given
        vm.ends(0, "poweroff -f")


def has_the_tree_that_is_dumped(host: Board, vm: Vm) -> None:
    """But for the seeds: Linux empties one and takes the other out, 3 words and 64 bytes."""
    dumped = base64.b64decode(host.check("base64 /tmp/dtb"))
    seen = base64.b64decode(vm.guest("base64 /sys/firmware/fdt", 60))
    assert len(dumped) == len(seen)
    other = [i for i, (was, is_) in enumerate(zip(dumped, seen)) if was != is_]
    assert other and other[-1] - other[0] < 3 * 4 + 64, other


def place_of_kernel(vm: Vm) -> str:
    """Chosen by the seed of this boot."""
    assert "KASLR enabled" in vm.guest("dmesg | grep KASLR")
    return vm.guest("grep ' _stext$' /proc/kallsyms")


@EITHER
def test_reboots_in_place(host: Board) -> None:
    cpus = 2 if host.kind.board == "a" else 1
    with Vm(host, f"--cpus {cpus} --dump-dtb /tmp/dtb") as vm:
        vm.up()
        has_the_tree_that_is_dumped(host, vm)
        pid, places = vm.pid(), {place_of_kernel(vm)}
        for _ in range(3):
            vm.console.sendline("reboot -f")
            vm.up()
            places.add(place_of_kernel(vm))
        assert len(places) == 4, places
        assert vm.pid() == pid
        vm.ends(0, "poweroff -f")


@on(A)
def test_an_initrd_that_was_replaced_is_not_loaded_in_part(host: Board) -> None:
    host.check("cp /guest/initrd /tmp/initrd")
    with Vm(host, files="--kernel /guest/Image --initrd /tmp/initrd") as vm:
        vm.up()
        host.check("echo more >>/tmp/initrd")
        vm.console.sendline("reboot -f")
        assert "/tmp/initrd: cannot be loaded: it has another size" in vm.ends(1)
    host.check("rm /tmp/initrd")


@EITHER
def test_no_reboot(host: Board) -> None:
    with Vm(host, "--no-reboot", words="rig.do=reboot") as vm:
        vm.boots()
        vm.ends(4)


@EITHER
def test_panic_ends(host: Board) -> None:
    with Vm(host, "--on-panic exit", words="rig.do=panic") as vm:
        vm.boots()
        assert "panic" in vm.ends(5)


@on(A)
def test_panic_restarts(host: Board) -> None:
    with Vm(host) as vm:
        vm.up()
        vm.console.sendline("echo c >/proc/sysrq-trigger")
        vm.up()
        vm.ends(0, "poweroff -f")


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
@on(A)
def test_signal_stops(host: Board, name: str) -> None:
    with Vm(host) as vm:
        vm.up()
        host.check(f"kill -{name} {vm.pid()}")
        assert f"SIG{name}" in vm.ends(7, seconds=10)


@on(A)
def test_signals_that_came_ignored_stay_ignored(host: Board) -> None:
    """nohup, and the background of a script: only SIGTERM stops the VM."""
    output = host.check(
        f"(trap '' HUP INT; exec bpmp-vmm {FILES} --memory 128M --console none --grace 0 2>/tmp/log) & "
        "vmm=$!; sleep 2; kill -HUP $vmm; kill -INT $vmm; sleep 1; kill -TERM $vmm; wait $vmm; "
        "echo status=$?; cat /tmp/log", 60)
    assert "status=7" in output and "SIGTERM" in output, output
    assert not state.leftovers(host)


@EITHER
def test_signal_stops_while_the_guest_boots(host: Board) -> None:
    with Vm(host) as vm:
        vm.console.wait_for("Run /init", 60)
        host.check(f"kill -TERM {vm.pid()}")
        vm.ends(7, seconds=10)


@EITHER
def test_killed_console_worker(host: Board) -> None:
    with Vm(host) as vm:
        vm.up()
        host.check(f"kill -KILL {state.worker(host, 'console')}")
        log = vm.ends(6)
        assert re.search(r"console.*killed by signal 9", log), log


@on(A)
def test_killed_machine_takes_its_workers_along(host: Board) -> None:
    with Vm(host) as vm:
        vm.up()
        host.check(f"kill -KILL {vm.pid()}")
        assert vm.session.wait(10) == 128 + signal.SIGKILL
        host.idle(1)
        assert state.leftovers(host) == []


@on(A)
def test_two_vms_at_once(host: Board) -> None:
    with Vm(host, name="first") as first, Vm(host, name="second") as second:
        first.up()
        second.up()
        first.console.sendline("poweroff -f")
        assert first.session.wait(30) == 0
        assert second.guest("hostname") == "rig-guest"
        second.ends(0, "poweroff -f")


@on(A, A_GICV2, B)
def test_the_jail_is_on(host: Board) -> None:
    """Every process: no new privileges, filters, no capabilities; the log names the layers."""
    with Vm(host) as vm:
        vm.up()
        processes = state.processes(host)
        assert {process.role for process in processes} >= {"machine", "console"}
        for process in processes:
            for status in host.check(f"cat /proc/{process.pid}/task/*/status").split("Name:")[1:]:
                fields = dict(line.split(":\t", 1) for line in status.splitlines()[1:])
                assert fields["NoNewPrivs"] == "1", process
                assert fields["Seccomp"] == "2", (process, status)
                assert int(fields["CapEff"], 16) == 0, process
                assert int(fields["CapPrm"], 16) == 0, process
        log = vm.ends(0, "poweroff -f")
        assert log.count("jail: ") == len(processes)
        for line in re.findall(r"jail: (.*)", log):
            on, off = line.split("; off: ")
            assert "capabilities" in on and "Landlock" in on and "seccomp" in on, line
            assert off == "namespaces (not built)", line


@on(A)
def test_sandbox_off_is_said_loudly(host: Board) -> None:
    with Vm(host, "--sandbox off") as vm:
        vm.up()
        assert "sandbox" in vm.ends(0, "poweroff -f")
