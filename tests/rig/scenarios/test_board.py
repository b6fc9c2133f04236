# SPDX-License-Identifier: Apache-2.0
"""What an arm64 board has beside its CPUs: the power key, the clock chip, an early UART."""

from __future__ import annotations

import state
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
        vm.ends(7, "reboot -f")


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


@on(A)
def test_early_uart(host: Board) -> None:
    """The kernel's first lines, and a tty, both ways, across a reset."""
    # Before the VM, whose guest does not wait: the first lines would be nobody's.
    serial = host.start("exec rig-relay /tmp/serial", "serial", terminal=False)
    with Vm(host, "--serial unix=/tmp/serial", words="earlycon") as vm:
        serial.wait_for("Booting Linux on physical CPU", 240)
        serial.wait_for("earlycon: ns16550a0 at MMIO 0x0*9000000", 240)
        vm.up()
        assert vm.guest("cat /proc/device-tree/chosen/stdout-path").startswith("/serial@9000000")
        assert "16550A" in vm.guest("dmesg | grep ttyS0")
        # Held open: a port that nobody has open has no interrupt.
        vm.guest("exec 9<>/dev/ttyS0; stty -F /dev/ttyS0 raw -echo 115200")
        vm.guest("echo rig-\"\"out >/dev/ttyS0")
        serial.wait_for("rig-out", 60)
        vm.guest("dd if=/dev/zero bs=1k count=16 2>/dev/null | tr '\\0' y >/dev/ttyS0; "
                 "echo rig-\"\"end >/dev/ttyS0", 120)
        serial.wait_for("y{16384}rig-end", 60)
        vm.console.sendline("(head -n 1 /dev/ttyS0 >/tmp/in &); sleep 1; echo rig-\"\"listens")
        vm.console.wait_for("rig-listens", 60)
        serial.sendline("rig-" + "typed" * 20)
        vm.guest("for i in $(seq 50); do [ -s /tmp/in ] && break; sleep 1; done; grep -q '^rig-\\(typed\\)\\{20\\}$' /tmp/in", 60)
        assert int(vm.guest("grep ttyS0 /proc/interrupts").split()[1]) >= 1
        # A client that goes is not missed: output is discarded.
        serial.kill(9)
        serial.wait(20)
        vm.guest("echo nobody >/dev/ttyS0")
        serial = host.start("rig-relay /tmp/serial", "serial2", terminal=False)
        vm.console.sendline("reboot -f")
        serial.wait_for("Booting Linux on physical CPU", 240)
        vm.up()
        vm.ends(0, "poweroff -f")


@on(A)
def test_early_uart_that_nobody_takes(host: Board) -> None:
    """A guest that polls goes on without its output; one whose worker dies ends."""
    buffer = "/proc/sys/net/core/wmem_default"  # of the sockets on the way, which have to be full
    usual = host.file(buffer)
    host.check(f"echo 4608 >{buffer}")
    serial = host.start("exec rig-relay /tmp/serial", "serial", terminal=False)
    with Vm(host, "--serial unix=/tmp/serial", words="earlycon keep_bootcon ignore_loglevel") as vm:
        serial.wait_for("Booting Linux on physical CPU", 240)
        host.check("kill -STOP $(pidof rig-relay)")
        vm.up()
        vm.guest("for i in $(seq 200); do echo \"$i 0123456789012345678901234567890123456789"
                 "0123456789012345678901234567890123456789012345678901234567890123456789\" "
                 ">/dev/kmsg; done", 240)
        host.check("kill -CONT $(pidof rig-relay)")
        host.check(f"kill -KILL {state.worker(host, 'serial')}")
        assert "early UART failed: killed by signal 9" in vm.ends(6)
    host.check(f"echo {usual} >{buffer}")
