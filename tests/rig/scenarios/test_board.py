# SPDX-License-Identifier: Apache-2.0
"""What an arm64 board has beside its CPUs: the power key, the clock chip."""

from __future__ import annotations

from board import Board
from kinds import A, A_GICV2, on
from vm import Vm


@on(A, A_GICV2)
def test_sigterm_asks_the_guest_to_power_down(host: Board) -> None:
    """Also after a reset, with a driver that starts anew."""
    with Vm(host, "--grace 600") as vm:
        vm.up()
        assert "gpio-keys" in vm.guest("cat /proc/interrupts; cat /proc/bus/input/devices")
        vm.console.sendline("reboot -f")
        vm.up()
        host.check(f"kill -TERM {vm.pid()}")
        vm.console.wait_for("guest: power key", 60)
        log = vm.ends(0, seconds=60)
        assert "SIGTERM: pressed the guest's power key" in log
        assert "the guest powered off" in log


@on(A)
def test_a_guest_that_still_boots_finds_the_key_pressed(host: Board) -> None:
    with Vm(host, "--grace 600") as vm:
        vm.console.wait_for("Run /init", 240)
        host.check(f"kill -INT {vm.pid()}")
        vm.console.wait_for("guest: power key", 90)
        assert "SIGINT: pressed" in vm.ends(0, seconds=60)


@on(A)
def test_a_guest_that_ignores_the_key_is_stopped(host: Board) -> None:
    with Vm(host, "--grace 3", words="rig.key=ignore") as vm:
        vm.up()
        host.check(f"kill -TERM {vm.pid()}")
        vm.guest("true")
        assert "did not power down within 3 s" in vm.ends(7, seconds=30)


@on(A)
def test_a_second_signal_stops_at_once(host: Board) -> None:
    with Vm(host, "--grace 600", words="rig.key=ignore") as vm:
        vm.up()
        host.check(f"kill -HUP {vm.pid()}; sleep 1; kill -HUP {vm.pid()}")
        vm.guest("true")
        host.check(f"kill -TERM {vm.pid()}")
        log = vm.ends(7, seconds=30)
        assert "SIGHUP: pressed" in log and "stopped by SIGTERM" in log


@on(A)
def test_a_reset_is_an_answer_to_the_key_too(host: Board) -> None:
    with Vm(host, "--grace 600", words="rig.key=ignore") as vm:
        vm.up()
        host.check(f"kill -TERM {vm.pid()}")
        vm.ends(4, "reboot -f")


@on(A)
def test_clock_chip(host: Board) -> None:
    """The host's time, an alarm, a time that the guest sets until it resets."""
    clock = "/sys/class/rtc/rtc0"
    with Vm(host) as vm:
        vm.up()
        assert "rtc-pl031" in vm.guest(f"readlink {clock}/device/driver")
        before = int(host.check("date +%s"))
        guest = int(vm.guest(f"cat {clock}/since_epoch"))
        assert before <= guest <= int(host.check("date +%s"))
        vm.guest(f"echo +1 >{clock}/wakealarm; while [ -n \"$(cat {clock}/wakealarm)\" ]; do "
                 "sleep 0.2; done", 60)
        count = vm.guest("grep rtc-pl031 /proc/interrupts").split()[1]
        assert int(count) >= 1
        vm.guest("date -s '2030-01-01 00:00:00' >/dev/null; hwclock -w -u")
        assert int(vm.guest(f"cat {clock}/since_epoch")) >= 1893456000
        vm.console.sendline("reboot -f")
        vm.up()
        again = int(vm.guest(f"cat {clock}/since_epoch"))
        assert guest <= again <= int(host.check("date +%s"))
        vm.ends(0, "poweroff -f")
