# SPDX-License-Identifier: Apache-2.0
"""A directory of the host's, shared by a virtiofsd that somebody else runs."""

from __future__ import annotations

import signal

import pytest

from board import Board
from kinds import A_PROGRAMS, A_RUST, on
from streams import Session
from vm import Vm

SOCKET, TAG = "/tmp/fs.socket", "a-tag-of-as-many-as-thirty-six-bytes"
# The one in C, of Debian 12's QEMU, and the one in Rust.
EITHER = on(A_PROGRAMS, long=(A_RUST,))
OPTION = f"--fs vhost-user={SOCKET},tag={TAG}"


def serve(host: Board) -> Session:
    """In a chroot, as the root file system of a board cannot be pivoted away."""
    host.check(f"rm -f {SOCKET}; mkdir -p /tmp/share/sub")
    options = ("--shared-dir=/tmp/share --sandbox=chroot" if host.kind.rust else
               "-o source=/tmp/share -o sandbox=chroot")
    server = host.start(f"exec virtiofsd --socket-path={SOCKET} {options}", "virtiofsd",
                        terminal=False)
    host.check(f"until [ -S {SOCKET} ]; do sleep 0.1; done")
    return server


@EITHER
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


@EITHER
def test_a_server_that_ends_ends_the_vm(host: Board) -> None:
    server = serve(host)
    with Vm(host, OPTION) as vm:
        vm.up()
        vm.guest(f"mkdir -p /mnt && mount -t virtiofs {TAG} /mnt && ls /mnt")
        server.kill(signal.SIGKILL)
        server.wait(20)
        assert f"fs {TAG} failed: its back end closed the connection" in vm.ends(6)


# A twentieth each are executable, read-only, links and second names of other files.
TREE = r"""
mkdir -p /tmp/tree && cd /tmp/tree && head -c 60000 /dev/urandom >/tmp/random
for d in $(seq {0}); do
    mkdir -p d$d/sub.$d
    for f in $(seq 95); do echo "file $f of $d" >d$d/f$f; done
    for f in $(seq 5); do
        head -c $((d * f * 300)) /tmp/random >"d$d/sub.$d/with a blank $f"
        chmod 750 d$d/f$f && chmod 444 d$d/f1$f && ln -s ../d$d/f$f d$d/sub.$d/l$f &&
            ln d$d/f2$f d$d/sub.$d/h$f || exit 1
    done
done
chmod 1777 d1 && chmod 700 d1/sub.1 && tar -cf /tmp/share/tree.tar . && find . -type f | wc -l
"""


def listing(place: str) -> str:
    """Names, kinds, modes, owners, numbers of names and targets of all; times and contents of
    files. busybox's tar leaves directories the times at which it filled them."""
    each = "sort | tr '\\n' '\\0' | xargs -0"
    return (f"(cd {place} && find . | {each} stat -c '%N %F %a %u %g %h' >/tmp/listing && "
            f"find . -type f | {each} stat -c '%n %s %Y' >>/tmp/listing && "
            f"find . -type f | {each} md5sum >>/tmp/listing && "
            "wc -l </tmp/listing && md5sum </tmp/listing)")


@pytest.mark.deadline(1200)
@pytest.mark.parametrize("directories", [1, pytest.param(20, marks=pytest.mark.long)])
@EITHER
def test_a_tree_unpacked(host: Board, directories: int) -> None:
    """By the guest: some 100 files, or 2 000; the same on both sides, and when the guest asks for
    all of it again."""
    server = serve(host)
    assert int(host.check(TREE.replace("{0}", str(directories)), 120)) == 105 * directories
    whole = "tar -xf {0}/tree.tar -C {0}/unpacked".format
    host.check("mkdir /tmp/share/unpacked")
    with Vm(host, f"--cpus 2 {OPTION}") as vm:
        vm.up()
        vm.guest(f"mkdir -p /mnt && mount -t virtiofs {TAG} /mnt && {whole('/mnt')}", 900)
        expected = host.check(listing("/tmp/tree"), 60)
        assert int(expected.split()[0]) == 322 * directories + 1, expected
        assert host.check(listing("/tmp/share/unpacked"), 60) == expected
        assert vm.guest(listing("/mnt/unpacked"), 300) == expected
        vm.guest("umount /mnt && echo 3 >/proc/sys/vm/drop_caches && "
                 f"mount -t virtiofs {TAG} /mnt")
        assert vm.guest(listing("/mnt/unpacked"), 300) == expected
        vm.ends(0, "poweroff -f")
    server.wait(20)
    host.check("rm -r /tmp/tree")
