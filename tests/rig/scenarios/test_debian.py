# SPDX-License-Identifier: Apache-2.0
"""A Debian with systemd, as users run it: its root on qcow2, a network without privileges, the UART
beside it. It boots, is logged into, and goes down cleanly, asked from inside or from outside."""

from __future__ import annotations

import pytest

import uart
from board import Board
from kinds import A_DEBIAN, A_STOCK, on
from vm import Vm

IMAGE = "/debian/images/root.qcow2"
CONTROL = "--control /tmp/control"
NETWORK = ("ip link set lo up; tunctl -t t0 >/dev/null; ip addr add 10.9.0.1/24 dev t0; "
           "ip link set t0 up; ip route add default via 10.9.0.2")
LOGIN_SECONDS = 240


@pytest.fixture(name="network")
def fixture_network(host: Board) -> None:
    host.run(NETWORK)
    # ssh insists on a key that is its user's alone.
    host.check("cp /debian/root/.ssh/id_ed25519 /tmp/key; chmod 600 /tmp/key; ls -l /tmp/key")


def debian(host: Board, options: str) -> Vm:
    """The recipe of those who run QEMU today, in our words."""
    return Vm(host, f"--disk {IMAGE},format=qcow2 --net user,hostfwd=tcp::2222-:22 --rng on "
              f"--passthrough {uart.uart_of(host.kind).passthrough} {CONTROL} {options}",
              words="root=/dev/vda rw", memory="512M", files="--kernel /guest/Image")


def ssh(host: Board, command: str, seconds: float = 60) -> str:
    return host.check("chroot /debian ssh -i /tmp/key -o StrictHostKeyChecking=no "
                      "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=60 "
                      f"-p 2222 root@127.0.0.1 {command}", seconds)


def is_clean(host: Board) -> None:
    """The file system in the image, which qemu-storage-daemon shows as a file."""
    host.check(f"qemu-img check -q {IMAGE}", 120)
    host.check("touch /tmp/root; chroot /debian qemu-storage-daemon --daemonize --pidfile /tmp/pid "
               "--blockdev driver=file,node-name=f,filename=/images/root.qcow2,read-only=on "
               "--blockdev driver=qcow2,node-name=q,file=f,read-only=on "
               "--export type=fuse,id=e,node-name=q,mountpoint=/tmp/root", 60)
    try:
        said = host.check("chroot /debian e2fsck -fn /tmp/root", 120)
    finally:
        host.check("kill $(cat /tmp/pid); while pidof qemu-storage-daemon; do sleep 0.1; done")
    assert "clean" not in said and "WARNING" not in said and "Pass 5" in said, said


@on(A_DEBIAN)
def test_debian_from_first_boot_to_power_off(host: Board, network: None) -> None:
    with debian(host, "") as vm:
        vm.console.wait_for("debian login: ", LOGIN_SECONDS)
        assert ssh(host, "'systemctl is-system-running --wait || systemctl --failed; "
                   "stty -F /dev/ttyAMA0 115200 raw -echo; echo hello from Debian >/dev/ttyAMA0; "
                   "dd if=/dev/urandom of=random bs=1M count=8 status=none; sha256sum random >sum; "
                   "systemctl poweroff'") == "running"
        host.wire.wait_for("hello from Debian", 20)
        vm.ends(0, seconds=90)
    is_clean(host)
    with debian(host, "--grace 90") as vm:
        vm.console.wait_for("debian login: ", LOGIN_SECONDS)
        # The rig's kernel lacks evdev, through which systemd-logind hears of keys.
        ssh(host, "'sha256sum -c sum && cat >evdev.ko && insmod ./evdev.ko; until journalctl "
            "-u systemd-logind | grep Watching; do sleep 0.1; done' </modules/evdev.ko")
        host.check(f"bpmp-vmm powerdown {CONTROL}")
        vm.ends(0, seconds=90)
    is_clean(host)


STOCK = "--kernel /stock/vmlinuz --initrd /stock/initrd.img"
STOCK_DISK = "--disk /stock/disk.qcow2,format=qcow2"


def stock(host: Board) -> Vm:
    return Vm(host, f"--cpus 2 {STOCK_DISK} {CONTROL} --grace 90 --serial stdio",
              words="console=ttyS0 root=/dev/vda1 rw", memory="1G", console="none", files=STOCK)


def says_what_console_there_is(host: Board) -> None:
    """The driver of hvc0 is a module that the initrd has not, and its scripts want a console."""
    with Vm(host, f"{STOCK_DISK} --on-reset exit", words="root=/dev/vda1", memory="512M",
            files=STOCK) as vm:
        assert "console=ttyS0" in vm.ends(4, seconds=120)


def goes_down_when_asked(host: Board, vm: Vm, ask: str) -> None:
    """Nothing was done to it: its modules are found by what the tree says, and its own daemon has the
    power key."""
    vm.console.wait_for("debian login: ", 2 * LOGIN_SECONDS)
    vm.console.sendline("root")
    vm.console.wait_for("# $", 60)
    vm.console.sendline("systemctl is-system-running --wait; echo asked-\"\"now")
    vm.console.wait_for("running\r?\nasked-now", 120)
    host.check(ask)
    vm.ends(0, seconds=90)


@pytest.mark.long
@pytest.mark.deadline(1500)
@on(A_STOCK)
def test_a_distribution_as_it_is(host: Board) -> None:
    """Its kernel, its initrd, a disk with a partition."""
    says_what_console_there_is(host)
    for signal in (False, True):
        with stock(host) as vm:
            ask = f"kill -TERM {vm.pid()}" if signal else f"bpmp-vmm powerdown {CONTROL}"
            goes_down_when_asked(host, vm, ask)
        host.check("qemu-img check -q /stock/disk.qcow2", 120)
