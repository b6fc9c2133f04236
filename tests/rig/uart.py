# SPDX-License-Identifier: Apache-2.0
"""The UART that a guest is given: its device in the guest, its wire, and its registers."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass

from board import Board
from qemu import Kind
from vm import Vm


@dataclass(frozen=True)
class Uart:
    """What differs between the boards."""

    device: str  # on the host
    passthrough: str  # the VMM's option
    driver: str  # in the guest, under /sys/bus
    node: str  # the guest's device's name, after its address
    clock: int  # its own at the host's BPMP
    registers: int  # on the host
    interrupt: int  # of the host's GIC
    raise_interrupt: tuple[tuple[int, int], ...]  # (offset, value): asserts the line
    lower_interrupt: tuple[tuple[int, int], ...]


# 16550, registers 4 bytes apart: no loopback, 8 bits, "transmitter empty" switched on, which it is.
# A byte looped back would do too, but a later driver would take it for one from the wire.
UART_B = Uart("12c1a000.serial", "12c1a000.serial", "platform/drivers/serial-tegra", "serial",
              155, 0x12C1A000, 40, ((0x10, 0x00), (0x0C, 0x03), (0x04, 0x00), (0x04, 0x02)),
              ((0x04, 0x00),))
# PL011: enabled, "transmitted" unmasked and set by the byte sent.
UART_A = Uart("9040000.pl011", "9040000.pl011,compatible=arm,pl011",
              "amba/drivers/uart-pl011", "pl011", 43, 0x09040000, 40,
              ((0x30, 0x381), (0x38, 0x20), (0x00, 0x55)), ((0x38, 0x00), (0x44, 0x7FF)))


def uart_of(kind: Kind) -> Uart:
    return UART_B if kind.board == "b" else UART_A


def guest_tty(vm: Vm) -> str:
    """The guest's device file of its UART."""
    found = vm.guest("ls /dev/ttyTHS* /dev/ttyAMA* 2>/dev/null | head -n 1")
    assert re.fullmatch(r"/dev/tty\w+", found), f"the guest has no UART: {found!r}"
    return found


def guest_address(vm: Vm, uart: Uart) -> int:
    """Where the guest sees the registers."""
    name = vm.guest(f"ls -d /sys/bus/*/devices/*.{uart.node}* | head -n 1").rsplit("/", 1)[-1]
    return int(name.split(".")[0], 16)


def open_tty(vm: Vm) -> str:
    tty = guest_tty(vm)
    # Held open, so that the settings stay.
    vm.guest(f"exec 5<>{tty}; stty -F {tty} 115200 raw -echo")
    return tty


def from_guest(vm: Vm, tty: str, size: int = 65536) -> None:
    """Random bytes from the guest to the far end of the wire."""
    vm.guest(f"dd if=/dev/urandom of=/tmp/out bs=256 count={size // 256} 2>/dev/null")
    checksum = vm.guest("md5sum </tmp/out").split()[0]
    vm.host.wire.drain(0.1)
    vm.console.sendline(f"cat /tmp/out >{tty}")
    assert hashlib.md5(vm.host.wire.take(size, 60)).hexdigest() == checksum
    vm.guest("true")


def to_guest(vm: Vm, tty: str, size: int = 65536) -> None:
    """Random bytes from the far end of the wire to the guest."""
    data = random.Random(2).randbytes(size)
    vm.console.sendline(f"echo rig-\"\"go; head -c {size} <{tty} >/tmp/in; echo rig-\"\"taken")
    vm.console.wait_for("rig-go\r?\n", 20)
    vm.host.wire.send(data)
    vm.console.wait_for("rig-taken\r?\n", 90)
    assert vm.guest("md5sum </tmp/in").split()[0] == hashlib.md5(data).hexdigest()


def poke(host: Board, uart: Uart, writes: tuple[tuple[int, int], ...]) -> None:
    """From the host, before a VM has the device."""
    for offset, value in writes:
        host.check(f"devmem {uart.registers + offset:#x} 32 {value:#x}")


def poke_in_guest(vm: Vm, base: int, writes: tuple[tuple[int, int], ...]) -> None:
    for offset, value in writes:
        vm.guest(f"devmem {base + offset:#x} 32 {value:#x}")
