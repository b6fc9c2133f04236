# SPDX-License-Identifier: Apache-2.0
"""Devices that only board A has: the PL031 clock chip, an amba device."""

from __future__ import annotations

import state
import uart
from board import Board
from kinds import A, A_GICV2, on
from vm import Vm


@on(A, A_GICV2)
def test_clock_chip_through_vfio_amba(host: Board) -> None:
    with Vm(host, "--passthrough 9010000.pl031") as vm:
        vm.up()
        assert "rtc-pl031" in vm.guest("readlink /sys/class/rtc/rtc0/device/driver")
        guest = int(vm.guest("cat /sys/class/rtc/rtc0/since_epoch"))
        now = int(vm.guest("date +%s"))
        assert abs(guest - now) < 86400 * 365 * 100
        vm.guest("sleep 2")
        assert 1 <= int(vm.guest("cat /sys/class/rtc/rtc0/since_epoch")) - guest <= 20
        vm.ends(0, "poweroff -f")


@on(A)
def test_clock_chip_interrupts_the_guest(host: Board) -> None:
    with Vm(host, "--passthrough 9010000.pl031") as vm:
        vm.up()
        vm.guest("cd /sys/class/rtc/rtc0; echo +2 >wakealarm 2>/dev/null || "
                 "echo $(($(cat since_epoch) + 2)) >wakealarm; sleep 4")
        counts = vm.guest("grep -i 'rtc\\|pl031' /proc/interrupts").split()[1:]
        assert sum(int(count) for count in counts if count.isdigit()) >= 1
        assert state.vfio_interrupts(host) >= 1
        vm.ends(0, "poweroff -f")


@on(A)
def test_two_devices_share_one_container(host: Board) -> None:
    devices = f"--passthrough 9010000.pl031 --passthrough {uart.UART_A.passthrough}"
    with Vm(host, f"--cpus 2 {devices}") as vm:
        vm.up()
        vm.guest("cat /sys/class/rtc/rtc0/since_epoch")
        tty = uart.open_tty(vm)
        uart.from_guest(vm, tty, 4096)
        uart.to_guest(vm, tty, 4096)
        assert state.mappings(host) == [(0x40000000, 256 << 20)]
        vm.ends(0, "poweroff -f")


@on(A)
def test_host_addresses(host: Board) -> None:
    with Vm(host, f"--passthrough {uart.UART_A.passthrough},address=host") as vm:
        vm.up()
        assert uart.guest_address(vm, uart.UART_A) == uart.UART_A.registers
        uart.from_guest(vm, uart.open_tty(vm), 4096)
        vm.ends(0, "poweroff -f")
