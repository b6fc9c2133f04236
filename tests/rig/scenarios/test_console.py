# SPDX-License-Identifier: Apache-2.0
"""hvc0 and its other ends: a terminal, a pty, a unix socket, a file."""

from __future__ import annotations

import hashlib
import random
import re

from board import Board
from kinds import A, B, on
from streams import Stream
from vm import Vm

MEBIBYTE = 1 << 20


def from_guest(vm: Vm, stream: Stream, size: int = MEBIBYTE) -> None:
    """The guest sends random bytes; what arrives must have their checksum."""
    vm.guest(f"dd if=/dev/urandom of=/tmp/out bs=4k count={size // 4096} 2>/dev/null", 60)
    checksum = vm.guest("md5sum </tmp/out").split()[0]
    stream.sendline("stty raw; echo rig-\"\"bytes; sleep 0.2; cat /tmp/out; sleep 0.2; stty sane -echo")
    stream.wait_for("rig-bytes\n", 20)
    assert hashlib.md5(stream.take(size, 120)).hexdigest() == checksum


def to_guest(vm: Vm, stream: Stream, size: int = MEBIBYTE) -> None:
    """The guest's terminal takes a paste of random bytes, every value among them but the VMM's
    escape, Ctrl-A, and the guest kernel's own on hvc0, Ctrl-O (SysRq)."""
    data = random.Random(1).randbytes(size).translate(bytes.maketrans(b"\x01\x0f", b"\x02\x10"))
    stream.sendline(f"stty raw; echo rig-\"\"go; head -c {size} >/tmp/in; stty sane -echo; "
                    "echo rig-\"\"taken")
    stream.wait_for("rig-go\n", 20)
    stream.send(data)
    stream.wait_for("rig-taken", 240)
    vm.guest("true")
    assert vm.guest("md5sum </tmp/in").split()[0] == hashlib.md5(data).hexdigest()


@on(A)
def test_interactive_shell(host: Board) -> None:
    with Vm(host) as vm:
        vm.up()
        assert vm.guest("tty") in ("/dev/hvc0", "/dev/console")
        vm.console.sendline("sleep 100")
        host.idle(0.5)
        vm.console.send("\x03")
        vm.guest("true")
        assert vm.guest("echo again") == "again"
        vm.ends(0, "poweroff -f")


@on(A)
def test_stdio_carries_a_mebibyte_each_way(host: Board) -> None:
    with Vm(host) as vm:
        vm.up()
        from_guest(vm, vm.console)
        to_guest(vm, vm.console)
        vm.ends(0, "poweroff -f")


@on(B)
def test_stdio_carries_bytes_board_b(host: Board) -> None:
    with Vm(host) as vm:
        vm.up()
        from_guest(vm, vm.console, 65536)
        to_guest(vm, vm.console, 65536)
        vm.ends(0, "poweroff -f")


@on(A, B)
def test_escape_stops_and_restores_the_terminal(host: Board) -> None:
    shell = host.start("exec sh -i", "shell")
    shell.wait_for("# ", 20)
    vm = ("bpmp-vmm --kernel /guest/Image --initrd /guest/initrd --memory 256M "
          "--cmdline 'console=hvc0 quiet' 2>/tmp/vmm.log")
    shell.sendline(f"PS1=; stty -g >/tmp/before; {vm}; echo rig-\"\"status $?; stty -g >/tmp/after")
    shell.wait_for("guest# ", 90)
    shell.send("\x01\x01")  # the guest gets one Ctrl-A
    shell.send("\x01x")
    shell.wait_for(r"rig-status 7\r?\n", 20)
    assert host.file("/tmp/before") == host.file("/tmp/after")


@on(A)
def test_terminal_is_restored_after_sigterm(host: Board) -> None:
    shell = host.start("exec sh -i", "shell")
    shell.wait_for("# ", 20)
    vm = ("bpmp-vmm --kernel /guest/Image --initrd /guest/initrd --memory 256M --grace 0 "
          "--cmdline 'console=hvc0 quiet' 2>/tmp/vmm.log")
    shell.sendline(f"PS1=; stty -g >/tmp/before; {vm}; echo rig-\"\"status $?; stty -g >/tmp/after")
    shell.wait_for("guest# ", 90)
    host.check("kill -TERM $(pidof bpmp-vmm | tr ' ' '\\n' | sort -n | head -n 1)")
    shell.wait_for(r"rig-status 7\r?\n", 20)
    assert host.file("/tmp/before") == host.file("/tmp/after")


@on(A)
def test_escape_sends_itself(host: Board) -> None:
    with Vm(host) as vm:
        vm.up()
        vm.console.sendline("stty raw; echo rig-\"\"go; head -c 2 >/tmp/in; stty sane -echo; "
                            "echo rig-\"\"taken")
        vm.console.wait_for("rig-go\n", 20)
        vm.console.send("\x01\x01z")
        vm.console.wait_for("rig-taken", 20)
        vm.console.wait_for("\n", 20)
        assert vm.guest("hexdump -e '1/1 \"%02x\"' /tmp/in") == "017a"
        vm.ends(0, "poweroff -f")


@on(A)
def test_unix_socket(host: Board) -> None:
    with Vm(host, console="unix=/tmp/console") as vm:
        host.check("for i in $(seq 100); do [ -S /tmp/console ] && exit; sleep 0.1; done; exit 1")
        vm.console = host.start("rig-relay /tmp/console", "relay", terminal=False)
        vm.up()
        from_guest(vm, vm.console)
        to_guest(vm, vm.console)
        assert vm.guest("echo hello") == "hello"
        # A client that goes is replaced by the next.
        vm.console.kill(9)
        vm.console.wait(10)
        vm.console = host.start("rig-relay /tmp/console", "relay2", terminal=False)
        assert vm.guest("echo again") == "again"
        vm.ends(0, "poweroff -f")


@on(A)
def test_pty(host: Board) -> None:
    with Vm(host, console="pty") as vm:
        for _ in range(100):
            named = re.search(r"/dev/pts/\d+", vm.log())
            if named:
                break
            host.idle(0.1)
        assert named, f"the log does not name the pty:\n{vm.log()}"
        vm.console = host.start(f"rig-relay {named[0]}", "relay", terminal=False)
        vm.up()
        from_guest(vm, vm.console)
        vm.ends(0, "poweroff -f")


@on(A, B)
def test_file(host: Board) -> None:
    with Vm(host, console="file=/tmp/console", words="rig.do=poweroff") as vm:
        vm.ends(0, seconds=90)
        text = host.file("/tmp/console")
        assert "Run /init" in text and "guest: up" in text


@on(A)
def test_none_leaves_no_console(host: Board) -> None:
    with Vm(host, console="none", words="rig.do=poweroff") as vm:
        vm.ends(0, seconds=90)


@on(A)
def test_flood_into_a_stopped_terminal_blocks_nobody_else(host: Board) -> None:
    """Nobody reads the socket while the guest prints 4 MiB; its other work goes on."""
    with Vm(host, "--cpus 2", console="unix=/tmp/console") as vm:
        host.check("for i in $(seq 100); do [ -S /tmp/console ] && exit; sleep 0.1; done; exit 1")
        vm.console = host.start("rig-relay /tmp/console", "relay", terminal=False)
        vm.up()
        vm.guest("dd if=/dev/zero bs=1k count=4096 2>/dev/null | tr '\\0' x >/tmp/out")
        vm.guest("(while cut -d ' ' -f 1 /proc/uptime; do sleep 0.2; done >/tmp/ticks) & true")
        relay = int(host.check("pidof rig-relay"))
        vm.console.sendline("stty -opost; cat /tmp/out; stty opost; echo")
        host.check(f"kill -STOP {relay}; sleep 6; kill -CONT {relay}")
        vm.console.wait_for("x", 10)
        # Only now: what is printed while nobody takes it is dropped.
        vm.console.sendline("echo rig-\"\"end")
        vm.console.wait_for("rig-end", 120)
        ticks = [float(tick) for tick in vm.guest("cat /tmp/ticks").split()]
        assert max(later - tick for tick, later in zip(ticks, ticks[1:])) < 4, ticks
        vm.ends(0, "poweroff -f")
