# SPDX-License-Identifier: Apache-2.0
"""Disks: raw images on the host's tmpfs, and a loop device as a block device of the host."""

from __future__ import annotations

import re

import pytest

from board import Board
from kinds import A, B, on
import state
from vm import Vm

MIB = 1 << 20


def digest(host: Board, path: str) -> str:
    return host.check(f"sha256sum {path}", 60).split()[0]


def blocks(host: Board, path: str) -> int:
    """512-byte units that the file really takes."""
    return int(host.check(f"stat -c %b {path}"))


def counted(host: Board, device: str, column: int) -> int:
    """Documentation/block/stat.rst counts columns from 1."""
    return int(host.file(f"/sys/block/{device}/stat").split()[column - 1])


def flushes(host: Board, device: str) -> int:
    return counted(host, device, 16)


def refused(vm: Vm, command: str) -> None:
    assert vm.guest(f"if {command} 2>/dev/null; then echo went through; else echo refused; fi",
                    60) == "refused", command


@on(A)
def test_disks_of_all_kinds(host: Board) -> None:
    """Order, contents both ways, read-only, serial, sizes, queues, flush, discard, zeroes, lock,
    I/O errors: one boot."""
    host.check("cd /tmp; dd if=/dev/urandom of=a bs=1M count=16; dd if=/dev/urandom of=b bs=1M "
               "count=3; dd if=/dev/urandom of=c bs=1M count=8; dd if=/dev/urandom of=d bs=1M "
               "count=8; truncate -s 1M e; losetup /dev/loop0 c; losetup /dev/loop1 e; "
               "echo 0 >/sys/block/loop1/queue/discard_max_bytes", 60)
    disks = ("--disk /tmp/a,serial=alpha --disk /tmp/b,ro,serial=twenty.characters.12 "
             "--disk /dev/loop0,format=raw --disk /tmp/d,direct,serial=direct "
             "--disk /dev/loop1,direct,serial=no-discard")
    with Vm(host, f"--cpus 2 {disks}") as vm:
        vm.up()
        for name, path, size in (("vda", "a", 16), ("vdb", "b", 3), ("vdc", "c", 8), ("vdd", "d", 8)):
            assert int(vm.guest(f"blockdev --getsize64 /dev/{name}")) == size * MIB
            assert vm.guest(f"sha256sum /dev/{name}", 60).split()[0] == digest(host, f"/tmp/{path}")
        assert vm.guest("for i in /sys/block/vd?/serial; do cat $i; echo; done") == (
            "alpha\ntwenty.characters.12\n\ndirect\nno-discard")
        assert vm.guest("cat /sys/block/vd?/ro") == "0\n1\n0\n0\n0"
        assert vm.guest("ls /sys/block/vda/mq | wc -l") == "2", "a queue for each vCPU"
        assert vm.guest("cd /sys/block/vda/queue; cat logical_block_size physical_block_size "
                        "write_cache") == "512\n4096\nwrite back"
        looks_after_its_files(host, vm)
        gives_space_back(host, vm)
        flushes_reach_the_host(host, vm)
        keeps_others_out(host)
        tells_of_errors(host, vm)
        log = vm.ends(0, "poweroff -f")
        assert log.count("I/O error, and this is said once") == 1, log
    host.check("losetup -d /dev/loop0; losetup -d /dev/loop1; rm /tmp/[a-e]")


def looks_after_its_files(host: Board, vm: Vm) -> None:
    vm.guest("mke2fs /dev/vda && mount -t ext4 /dev/vda /mnt || mkdir -p /mnt && "
             "mount -t ext4 /dev/vda /mnt", 60)
    vm.guest("cp -r /bin/busybox /usr/bin /mnt && sha256sum /mnt/busybox >/mnt/sum && umount /mnt",
             60)
    assert vm.guest("sha256sum /dev/vda", 60).split()[0] == digest(host, "/tmp/a")
    host.check("mkdir -p /mnt; losetup -r /dev/loop2 /tmp/a; mount -t ext4 -o ro /dev/loop2 /mnt")
    try:
        assert host.file("/mnt/sum").split()[0] == digest(host, "/mnt/busybox")
    finally:
        host.check("umount /mnt; losetup -d /dev/loop2")
    # The other way and past the page cache.
    vm.guest("dd if=/dev/urandom of=/dev/vdd bs=64k count=40 oflag=direct 2>/dev/null; sync", 60)
    vm.guest("echo 3 >/proc/sys/vm/drop_caches")
    assert vm.guest("sha256sum /dev/vdd", 60).split()[0] == digest(host, "/tmp/d")
    before = digest(host, "/tmp/b")
    refused(vm, "dd if=/dev/zero of=/dev/vdb bs=4k count=1 conv=fsync")
    refused(vm, "blkdiscard /dev/vdb")
    assert digest(host, "/tmp/b") == before


def gives_space_back(host: Board, vm: Vm) -> None:
    assert blocks(host, "/tmp/d") == 8 * MIB // 512
    vm.guest(f"blkdiscard -o {4 * MIB} -l {2 * MIB} /dev/vdd")
    assert blocks(host, "/tmp/d") == 6 * MIB // 512
    zero = vm.guest(f"dd if=/dev/vdd bs=1M skip=4 count=2 iflag=direct 2>/dev/null | tr -d '\\0' | wc -c")
    assert zero == "0"
    before = vm.guest("dd if=/dev/vda bs=64k count=1 2>/dev/null | sha256sum")
    vm.guest("rig-disk zero /dev/vda 65536 131072; echo 3 >/proc/sys/vm/drop_caches")
    assert host.check("dd if=/tmp/a bs=64k skip=1 count=2 2>/dev/null | tr -d '\\0' | wc -c") == "0"
    assert vm.guest("dd if=/dev/vda bs=64k count=1 2>/dev/null | sha256sum") == before
    discards_on_block_devices(host, vm)


def discards_on_block_devices(host: Board, vm: Vm) -> None:
    """By a discard of theirs, and where they have none the guest is not offered any."""
    before = counted(host, "loop0", 12)
    vm.guest(f"blkdiscard -o {4 * MIB} -l {2 * MIB} /dev/vdc; echo 3 >/proc/sys/vm/drop_caches")
    assert counted(host, "loop0", 12) > before
    assert blocks(host, "/tmp/c") == 6 * MIB // 512
    assert vm.guest("cat /sys/block/vdc/queue/discard_max_bytes") != "0"
    assert vm.guest("cat /sys/block/vde/queue/discard_max_bytes") == "0"
    refused(vm, "blkdiscard /dev/vde")
    vm.guest("dd if=/dev/urandom of=/dev/vde bs=64k count=1 conv=fsync 2>/dev/null; "
             "rig-disk zero /dev/vde 0 65536")
    assert host.check("tr -d '\\0' </dev/loop1 | wc -c") == "0"


def flushes_reach_the_host(host: Board, vm: Vm) -> None:
    before = flushes(host, "loop0")
    vm.guest("for i in 1 2 3; do dd if=/dev/urandom of=/dev/vdc bs=4k count=1 seek=$i conv=fsync "
             "2>/dev/null; done")
    assert flushes(host, "loop0") >= before + 3
    assert vm.guest("sha256sum /dev/vdc").split()[0] == digest(host, "/dev/loop0")


def keeps_others_out(host: Board) -> None:
    for path, mode in (("/tmp/a", ""), ("/tmp/a", ",ro"), ("/tmp/b", ""), ("/dev/loop0", "")):
        status, output = host.run(f"timeout 20 bpmp-vmm --kernel /guest/Image --console none "
                                  f"--disk {path}{mode}")
        assert (status, path) in ((3, "/tmp/a"), (3, "/tmp/b"), (2, "/dev/loop0")), output
        assert re.search(rf"--disk {path}: .*(another VM has|in use)", output), output


def tells_of_errors(host: Board, vm: Vm) -> None:
    """The image becomes shorter behind the guest's back."""
    host.check("truncate -s 1M /tmp/d")
    vm.guest("echo 3 >/proc/sys/vm/drop_caches")
    for _ in range(2):
        refused(vm, "dd if=/dev/vdd of=/dev/null bs=64k skip=32 count=1 iflag=direct")
    assert vm.guest("dd if=/dev/vdd bs=64k count=1 iflag=direct 2>/dev/null | wc -c") == "65536"


@on(A, B)
def test_root_file_system_on_a_disk(host: Board) -> None:
    """Without --initrd and --cmdline: the first disk is the root."""
    host.check("cd /tmp; truncate -s 8M root; mke2fs -F root 8192; mkdir -p /mnt; "
               "losetup /dev/loop2 root; mount -t ext4 /dev/loop2 /mnt; mkdir -p /mnt/bin /mnt/sbin /mnt/dev /mnt/proc; "
               "cp /bin/busybox /mnt/bin; ln -s /bin/busybox /mnt/bin/sh; "
               "printf '#!/bin/busybox sh\\n/bin/busybox mount -t proc proc /proc\\n"
               "/bin/busybox cat /proc/cmdline\\n/bin/busybox poweroff -f\\n' >/mnt/sbin/init; "
               "chmod 755 /mnt/sbin/init; umount /mnt; losetup -d /dev/loop2", 60)
    status, log = host.run("bpmp-vmm --kernel /guest/Image --memory 128M --console file=/tmp/out "
                           "--disk /tmp/root", 120)
    out = host.file("/tmp/out")
    assert status == 0, log + out
    assert "console=hvc0 root=/dev/vda rootwait" in out and "Mounted root" in out
    assert not state.leftovers(host)


def records(host: Board, path: str) -> dict[int, int]:
    """What block each record is in."""
    text = host.check(f"tr -d '\\0' <{path}")
    return {int(number): place for place, number in enumerate(re.findall(r"record (\d+)", text))}


def kill_while_it_writes(host: Board, crashes: int) -> None:
    """Every write that the guest saw flushed is there after a SIGKILL of all processes, or of the
    machine alone. The guest's program says of each record when it was flushed, which fio does not."""
    for crash in range(crashes):
        host.check("rm -f /tmp/r; truncate -s 8M /tmp/r")
        with Vm(host, "--disk /tmp/r" + (",direct" if crash % 3 == 2 else "")) as vm:
            vm.up()
            vm.console.sendline("rig-disk records /dev/vda 2048")
            vm.console.wait_for(rf"acked {40 + 10 * (crash % 6)}\r?\n", 60)
            victims = [vm.pid()] if crash % 3 == 1 else [p.pid for p in state.processes(host)]
            host.run(f"kill -KILL {' '.join(map(str, victims))}")  # one may be gone with another
            vm.session.wait(20)
            seen = vm.console.output().decode(errors="replace")
        acked = max(map(int, re.findall(r"acked (\d+)\r?\n", seen)), default=40 + 10 * (crash % 6))
        found = records(host, "/tmp/r")
        assert acked >= 40 and all(found.get(i) == i for i in range(acked + 1)), (acked, found)
        host.idle(0.5)
        assert not state.leftovers(host)


@on(A)
def test_killed_while_it_writes(host: Board) -> None:
    kill_while_it_writes(host, 3)


@pytest.mark.long
@pytest.mark.deadline(1200)
@on(A)
def test_killed_20_times_while_it_writes(host: Board) -> None:
    kill_while_it_writes(host, 20)


@on(A)
def test_life(host: Board) -> None:
    """Resets with requests in flight, and a driver that comes back. A back end that hangs:
    test_block_stopped.py."""
    host.check("truncate -s 64M /tmp/l")
    with Vm(host, "--cpus 2 --disk /tmp/l,serial=life") as vm:
        vm.up()
        for _ in range(2):
            vm.console.sendline("for i in 1 2 3 4; do dd if=/dev/zero of=/dev/vda bs=1M oflag=direct"
                                " 2>/dev/null & done; sleep 0.3; reboot -f")
            vm.up()
            assert vm.guest("dd if=/dev/vda bs=1M count=1 2>/dev/null | wc -c") == str(MIB)
        driver = "/sys/bus/virtio/drivers/virtio_blk"
        device = vm.guest(f"cd {driver}; echo virtio[0-9]*")
        vm.guest("(dd if=/dev/zero of=/dev/vda bs=1M count=64 oflag=direct 2>/dev/null &); sleep 0.1; "
                 f"echo {device} >{driver}/unbind; echo {device} >{driver}/bind", 60)
        assert vm.guest("cat /sys/block/vda/serial") == "life"
        assert vm.guest("dd if=/dev/vda bs=1M count=1 2>/dev/null | wc -c") == str(MIB)
        vm.ends(0, "poweroff -f")


@on(A)
def test_killed_worker(host: Board) -> None:
    host.check("truncate -s 1M /tmp/k")
    with Vm(host, "--disk /tmp/k") as vm:
        vm.up()
        host.check(f"kill -KILL {state.worker(host, 'block')}")
        log = vm.ends(6)
        assert re.search(r"disk /tmp/k failed: killed by signal 9", log), log
