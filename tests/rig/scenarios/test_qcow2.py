# SPDX-License-Identifier: Apache-2.0
"""qcow2 images, which qemu-storage-daemon serves: what a guest wrote and flushed is there for the
next one, and the program is there exactly as long as the VM is."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import state
from board import Board
from kinds import A_PROGRAMS, on
from test_block import records
from vm import FILES, Vm

DAEMON = "qemu-storage-daemon"
MIB = 1 << 20
IMAGE = "/tmp/a,b.qcow2"  # a comma in a name is written twice, for us and for the program
DISK = "--disk /tmp/a,,b.qcow2,format=qcow2"


def make_image(host: Board) -> None:
    host.check(f"qemu-img create -q -f qcow2 {IMAGE} 64M")


def descriptors(host: Board, pid: int) -> str:
    return host.check(f"ls -l /proc/{pid}/fd")


@on(A_PROGRAMS)
def test_what_was_flushed_is_there_for_the_next_vm(host: Board) -> None:
    """Across a reset under load, too; the image stays consistent, locked and smaller than a raw one."""
    make_image(host)
    with Vm(host, f"--cpus 2 {DISK}") as vm:
        vm.up()
        assert int(vm.guest("blockdev --getsize64 /dev/vda")) == 64 * MIB
        assert vm.guest("ls /sys/block/vda/mq | wc -l") == "2", "a queue for each vCPU"
        assert vm.guest("cat /sys/block/vda/queue/write_cache") == "write back"
        vm.guest("dd if=/dev/urandom of=/dev/vda bs=64k count=32 conv=fsync 2>/dev/null")
        before = vm.guest("dd if=/dev/vda bs=64k count=32 2>/dev/null | sha256sum")
        status, said = host.run(f"bpmp-vmm --kernel /guest/Image --console none {DISK}")
        assert status == 3 and "another VM has the image open" in said, said
        vm.console.sendline("for i in 1 2 3 4; do dd if=/dev/zero of=/dev/vda bs=1M seek=$((8*i)) "
                            "count=8 oflag=direct 2>/dev/null & done; sleep 0.3; reboot -f")
        vm.up()
        assert vm.guest("dd if=/dev/vda bs=64k count=32 iflag=direct 2>/dev/null | "
                        "sha256sum") == before
        vm.guest("blkdiscard -o 8388608 /dev/vda && sync")
        log = vm.ends(0, "poweroff -f")
        assert f"{DAEMON}: no new privileges, capabilities dropped, Landlock, seccomp" in log
        assert "does not end" not in log, log
    host.check(f"qemu-img check -q {IMAGE}")
    assert int(host.check(f"stat -c %b {IMAGE}")) < 16 * MIB // 512
    with Vm(host, f"{DISK},ro") as vm:
        vm.up()
        assert vm.guest("dd if=/dev/vda bs=64k count=32 2>/dev/null | sha256sum") == before
        assert vm.guest("cat /sys/block/vda/ro") == "1"
        image = host.check(f"sha256sum {IMAGE}")
        vm.ends(0, "poweroff -f")
    assert host.check(f"sha256sum {IMAGE}") == image


@on(A_PROGRAMS)
def test_an_overlay_a_block_device_and_direct(host: Board) -> None:
    """Where else an image is; what an overlay's base holds is seen, and stays."""
    host.check("cd /tmp; dd if=/dev/urandom of=base bs=1M count=8 2>/dev/null; "
               "qemu-img create -q -f qcow2 -b base -F raw overlay; "
               "truncate -s 16M room; losetup /dev/loop0 room; "
               "qemu-img create -q -f qcow2 /dev/loop0 8M; qemu-img create -q -f qcow2 straight 8M")
    base = host.check("sha256sum </tmp/base")
    disks = ("--disk /tmp/overlay,format=qcow2 --disk /dev/loop0,format=qcow2 "
             "--disk /tmp/straight,format=qcow2,direct")
    with Vm(host, disks) as vm:
        vm.up()
        assert vm.guest("sha256sum </dev/vda", 60) == base
        for disk in ("vda", "vdb", "vdc"):
            vm.guest(f"dd if=/dev/urandom of=/dev/{disk} bs=64k count=16 seek=8 conv=fsync 2>/dev/null")
        written = vm.guest("for d in vda vdb vdc; do sha256sum </dev/$d; done", 60)
        vm.ends(0, "poweroff -f")
    assert host.check("sha256sum </tmp/base") == base
    host.check("cd /tmp; for i in overlay /dev/loop0 straight; do qemu-img check -q $i; "
               "qemu-img convert -f qcow2 -O raw $i $(basename $i).raw; done", 120)
    assert host.check("cd /tmp; for i in overlay loop0 straight; do sha256sum <$i.raw; done",
                      60) == written
    host.check("losetup -d /dev/loop0")


@on(A_PROGRAMS)
def test_what_the_program_has(host: Board) -> None:
    """Of descriptors, privileges and files; and a service's stop is not its end."""
    make_image(host)
    with Vm(host, DISK) as vm:
        vm.up()
        pid = state.worker(host, DAEMON)
        status = host.file(f"/proc/{pid}/status")
        assert "Seccomp_filters:\t1" in status
        assert "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000002" in status, status
        fields = host.file(f"/proc/{pid}/stat").rpartition(")")[2].split()
        assert int(fields[3]) == pid and fields[4] == "0", "a session without a terminal"
        assert host.file(f"/proc/{pid}/environ") == ""
        there = descriptors(host, pid)
        assert "vfio" not in there and "kvm" not in there and "bpmp-host" not in there, there
        host.check(f"kill -TERM {pid}; kill -HUP {pid}; kill -QUIT {pid}")
        vm.guest("dd if=/dev/urandom of=/dev/vda bs=64k count=4 conv=fsync 2>/dev/null")
        assert state.worker(host, DAEMON) == pid
        assert host.run("ls -A /run /tmp | grep bpmp-vmm-").output == "", "its socket has no file"
        vm.ends(0, "poweroff -f")


@on(A_PROGRAMS)
def test_a_user_and_a_broken_image(host: Board) -> None:
    """Neither needs root nor passes over what the program says."""
    make_image(host)
    host.check(f"chmod 666 /dev/kvm; chown vmm {IMAGE}")
    try:
        host.check(f"su vmm -c \"bpmp-vmm {FILES} --memory 128M --console file=/tmp/out {DISK} "
                   "--cmdline 'console=hvc0 rig.do=poweroff'\"", 120)
    finally:
        host.check("chmod 600 /dev/kvm")
    assert "vda" in host.file("/tmp/out")
    host.check(f"dd if=/dev/zero of={IMAGE} bs=1 seek=8 count=100 conv=notrunc 2>/dev/null")
    status, said = host.run(f"bpmp-vmm --kernel /guest/Image --console none {DISK}")
    assert status == 3 and "qemu-storage-daemon does not serve it" in said, said
    assert re.search(r"^qemu-storage-daemon: .*\S", said, re.MULTILINE), said
    assert not state.leftovers(host)


def kill_program(host: Board, vm: Vm) -> None:
    host.check(f"kill -KILL {state.worker(host, DAEMON)}")
    assert "disk /tmp/a,b.qcow2 failed: killed by signal 9" in vm.ends(6)


def kill_machine(host: Board, vm: Vm) -> None:
    host.check(f"kill -KILL {vm.pid()}")
    vm.session.wait(20)
    host.idle(0.5)
    assert not state.leftovers(host)


def stop_machine(host: Board, vm: Vm) -> None:
    host.check(f"kill -TERM {vm.pid()}")
    vm.ends(7)


@pytest.mark.parametrize("end", [kill_program, kill_machine, stop_machine])
@on(A_PROGRAMS)
def test_ends(host: Board, end: Callable[[Board, Vm], None]) -> None:
    make_image(host)
    with Vm(host, DISK) as vm:
        vm.up()
        vm.guest("dd if=/dev/urandom of=/dev/vda bs=64k count=4 conv=fsync 2>/dev/null")
        sum_ = vm.guest("dd if=/dev/vda bs=64k count=4 2>/dev/null | sha256sum").split()[0]
        end(host, vm)
    host.check(f"qemu-img convert -f qcow2 -O raw {IMAGE} /tmp/raw")
    assert host.check("head -c 262144 /tmp/raw | sha256sum").split()[0] == sum_


@pytest.mark.parametrize("whole", (True, False), ids=("all", "machine"))
@on(A_PROGRAMS)
def test_killed_while_it_writes(host: Board, whole: bool) -> None:
    """Every write that the guest saw flushed is in the image, which is whole."""
    make_image(host)
    with Vm(host, DISK) as vm:
        vm.up()
        vm.console.sendline("rig-disk records /dev/vda 2048")
        vm.console.wait_for("acked 60\r?\n", 60)
        victims = [p.pid for p in state.processes(host)] if whole else [vm.pid()]
        host.run(f"kill -KILL {' '.join(map(str, victims))}")  # one may be gone with another
        vm.session.wait(20)
        acked = max(map(int, re.findall(rb"acked (\d+)\r?\n", vm.console.output())), default=60)
    host.idle(0.5)
    assert not state.leftovers(host)
    # Clusters that nothing refers to yet are no damage (3): they were about to be.
    assert host.run(f"qemu-img check -q {IMAGE}").status in (0, 3)
    host.check(f"qemu-img convert -f qcow2 -O raw {IMAGE} /tmp/raw")
    found = records(host, "/tmp/raw")
    assert all(found.get(number) == number for number in range(acked + 1)), (acked, found)
