# SPDX-License-Identifier: Apache-2.0
"""Interrupts that come when nobody expects them: before the VM, before the driver, at a reset."""

from __future__ import annotations

import state
import uart
from board import Board
from kinds import A, A_GICV2, B, on
from vm import Vm

EVERY_GIC = on(A, A_GICV2, B)


def start(host: Board) -> Vm:
    return Vm(host, f"--passthrough {uart.uart_of(host.kind).passthrough}")


def raise_without_driver(vm: Vm) -> None:
    """In the guest: takes the driver away and asserts the UART's line."""
    given = uart.uart_of(vm.host.kind)
    base = uart.guest_address(vm, given)
    vm.guest(f"cd /sys/bus/{given.driver}; for d in {base:x}.*; do echo $d >unbind; done; cd /")
    before = state.interrupts(vm.host, given.interrupt)
    uart.poke_in_guest(vm, base, given.raise_interrupt)
    vm.host.idle(0.5)
    count = state.interrupts(vm.host, given.interrupt)
    assert count == before + 1, "the line is masked after one interrupt"


def bind_driver(vm: Vm) -> None:
    given = uart.uart_of(vm.host.kind)
    base = uart.guest_address(vm, given)
    vm.guest(f"cd /sys/bus/{given.driver}; for d in /sys/bus/*/devices/{base:x}.*; do "
             "echo ${d##*/} >bind; done; cd /")


def works(vm: Vm) -> None:
    tty = uart.open_tty(vm)
    uart.from_guest(vm, tty, 4096)
    uart.to_guest(vm, tty, 4096)


@EVERY_GIC
def test_raised_before_the_driver_comes(host: Board) -> None:
    with start(host) as vm:
        vm.up()
        raise_without_driver(vm)
        bind_driver(vm)
        works(vm)
        vm.ends(0, "poweroff -f")


@EVERY_GIC
def test_raised_before_the_vm_starts(host: Board) -> None:
    """The line is up when VFIO's trigger is armed: one interrupt on the host, then masked until
    the guest's driver has served it."""
    given = uart.uart_of(host.kind)
    before = state.interrupts(host, given.interrupt)
    uart.poke(host, given, given.raise_interrupt)
    with start(host) as vm:
        vm.console.wait_for("Run /init", 60)
        assert state.interrupts(host, given.interrupt) == before + 1
        vm.up()
        works(vm)
        vm.ends(0, "poweroff -f")


@EVERY_GIC
def test_reset_with_the_line_asserted_and_masked(host: Board) -> None:
    with start(host) as vm:
        vm.up()
        raise_without_driver(vm)
        vm.console.sendline("reboot -f")
        vm.up()
        works(vm)
        vm.ends(0, "poweroff -f")


@EVERY_GIC
def test_stop_with_the_line_asserted(host: Board) -> None:
    """The next VM gets a device that works."""
    with start(host) as vm:
        vm.up()
        raise_without_driver(vm)
        host.check(f"kill -TERM {vm.pid()}")
        vm.ends(7)
    with start(host) as vm:
        vm.up()
        works(vm)
        vm.ends(0, "poweroff -f")
