# SPDX-License-Identifier: Apache-2.0
"""Our jailed disk worker with Debian's QEMU as its front end."""

from __future__ import annotations

import state
from board import Board
from kinds import A_DEBIAN, on
from qemu_vm import QemuVm, front_end
from vm import Vm

MIB = 1 << 20
SOCKET, IMAGE = "/tmp/qemu.socket", "/tmp/image"


def summed(vm: Vm, skip: int) -> str:
    return vm.guest(f"dd if=/dev/vda bs=1M skip={skip} count=1 2>/dev/null | sha256sum", 60)


@on(A_DEBIAN)
def test_our_worker_serves_qemu(host: Board) -> None:
    host.check(f"truncate -s 16M {IMAGE}; dd if=/dev/urandom of={IMAGE} bs=1M seek=15 2>/dev/null count=1")
    worker = host.start(f"exec rig-diskworker {SOCKET} {IMAGE} 2 2>/tmp/worker.log", "worker",
                        terminal=False)
    host.check(f"until [ -S {SOCKET} ]; do sleep 0.1; done")
    with QemuVm(host, front_end(
            SOCKET, "-device vhost-user-blk-pci,chardev=back,num-queues=2")) as vm:
        vm.up()
        assert int(vm.guest("blockdev --getsize64 /dev/vda")) == 16 * MIB
        assert vm.guest("cat /sys/block/vda/serial; ls /sys/block/vda/mq | wc -l; cat "
                        "/sys/block/vda/queue/write_cache") == "worker2\nwrite back"
        seen = host.check(f"dd if={IMAGE} bs=1M skip=15 count=1 2>/dev/null | sha256sum")
        assert summed(vm, 15) == seen
        # Four at once, read back past the guest's cache, and on the host.
        vm.guest("(for i in 0 1 2 3; do dd if=/dev/urandom of=/tmp/$i bs=1M count=1 2>/dev/null; "
                 "dd if=/tmp/$i of=/dev/vda bs=4k seek=$((i * 256)) conv=fsync 2>/dev/null & "
                 "done; wait); echo 3 >/proc/sys/vm/drop_caches", 60)
        for i in range(4):
            wrote = vm.guest(f"sha256sum </tmp/{i}")
            assert summed(vm, i) == wrote
            assert host.check(f"dd if={IMAGE} bs=1M skip={i} count=1 2>/dev/null | "
                              "sha256sum") == wrote
        vm.guest("rig-bench disk /dev/vda both sequential 512 200 1", 60)
        vm.guest("blkdiscard -o 1048576 -l 1048576 /dev/vda; rig-disk zero /dev/vda 0 65536")
        zeroes = host.check(f"head -c 65536 {IMAGE} | tr -d '\\0' | wc -c; "
                            f"dd if={IMAGE} bs=1M skip=1 count=1 2>/dev/null | tr -d '\\0' | wc -c")
        assert zeroes == "0\n0"
        # QEMU stops the queues and gives them anew.
        vm.console.sendline("reboot -f")
        vm.up()
        assert summed(vm, 15) == seen
        vm.guest("dd if=/dev/urandom of=/dev/vda bs=64k count=1 conv=fsync 2>/dev/null")
        assert vm.guest("dd if=/dev/vda bs=64k count=1 2>/dev/null | sha256sum") == host.check(
            f"dd if={IMAGE} bs=64k count=1 2>/dev/null | sha256sum")
        vm.console.sendline("poweroff -f")
        assert vm.session.wait(60) == 0, vm.log()
    assert worker.wait(20) == 0
    log = host.file("/tmp/worker.log")
    assert "bpmp-vmm[block]: jail:" in log and "seccomp" in log, log
    assert "refused" not in log and "error" not in log, log
    assert not state.leftovers(host)
