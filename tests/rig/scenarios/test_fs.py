# SPDX-License-Identifier: Apache-2.0
"""A directory of the host's, shared by a virtiofsd that somebody else runs."""

from __future__ import annotations

import signal

from board import Board
from kinds import A_PROGRAMS, on
from streams import Session
from vm import Vm

SOCKET, TAG = "/tmp/fs.socket", "a-tag-of-as-many-as-thirty-six-bytes"
OPTION = f"--fs vhost-user={SOCKET},tag={TAG}"


def serve(host: Board) -> Session:
    """In a chroot, as the root file system of a board cannot be pivoted away."""
    host.check(f"rm -f {SOCKET}; mkdir -p /tmp/share/sub")
    server = host.start(f"exec virtiofsd --socket-path={SOCKET} -o source=/tmp/share "
                        "-o sandbox=chroot", "virtiofsd", terminal=False)
    host.check(f"until [ -S {SOCKET} ]; do sleep 0.1; done")
    return server


@on(A_PROGRAMS)
def test_files_both_ways_across_a_reboot(host: Board) -> None:
    host.check("mkdir -p /tmp/share; dd if=/dev/urandom of=/tmp/share/from-host bs=64k count=16")
    server = serve(host)
    with Vm(host, f"--cpus 2 {OPTION}") as vm:
        vm.up()
        for turn in range(2):
            vm.guest(f"mkdir -p /mnt && mount -t virtiofs {TAG} /mnt")
            assert (vm.guest("sha256sum </mnt/from-host") ==
                    host.check("sha256sum </tmp/share/from-host"))
            vm.guest(f"dd if=/dev/urandom of=/mnt/sub/{turn} bs=64k count=16 conv=fsync 2>/dev/null")
            assert (vm.guest(f"sha256sum </mnt/sub/{turn}") ==
                    host.check(f"sha256sum </tmp/share/sub/{turn}"))
            host.check(f"echo {turn} >/tmp/share/line; mv /tmp/share/sub/{turn} /tmp/share/moved")
            assert vm.guest("cat /mnt/line; ls /mnt/sub | wc -l") == f"{turn}\n0"
            vm.guest("mkdir /mnt/new && ln -s line /mnt/new/link && rm /mnt/moved")
            assert host.check("readlink /tmp/share/new/link; ls /tmp/share") == (
                "line\nfrom-host\nline\nnew\nsub")
            host.check("rm -r /tmp/share/new")
            if turn == 0:
                vm.console.sendline("cat /mnt/from-host >/mnt/sub/left; reboot -f")
                vm.up()
                host.check("rm -f /tmp/share/sub/left")
        vm.ends(0, "poweroff -f")
    server.wait(20)


@on(A_PROGRAMS)
def test_a_server_that_ends_ends_the_vm(host: Board) -> None:
    server = serve(host)
    with Vm(host, OPTION) as vm:
        vm.up()
        vm.guest(f"mkdir -p /mnt && mount -t virtiofs {TAG} /mnt && ls /mnt")
        server.kill(signal.SIGKILL)
        server.wait(20)
        assert f"fs {TAG} failed: its back end closed the connection" in vm.ends(6)
