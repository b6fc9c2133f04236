# SPDX-License-Identifier: Apache-2.0
"""Debian's fio in a guest, which verifies what it reads: sequential and random, with flushes and
discards, four jobs at once on each of a raw image, one with direct I/O and a qcow2 one; and the host
sees the same data afterwards."""

from __future__ import annotations

import re

import pytest

from board import Board
from kinds import A_DEBIAN, on
from vm import Vm

JOBS = 4
KEYS = "jobname|error|read|write|trim|sync|total_ios"  # of fio's results
DISKS = {"raw": "--disk /tmp/raw,serial=raw", "direct": "--disk /tmp/direct,direct,serial=direct",
         "qcow2": "--disk /tmp/qcow2,format=qcow2"}
NAMES = dict(zip(DISKS, ("vdb", "vdc", "vdd")))  # the first is Debian's root


def make_images(host: Board, kib: int) -> None:
    host.check(f"cd /tmp; truncate -s {kib}K raw direct; qemu-img create -q -f qcow2 qcow2 {kib}K")


def enter_debian(vm: Vm) -> None:
    vm.guest("mkdir -p /debian; mount -t ext4 -o ro /dev/vda /debian; for i in dev proc sys; do "
             "mount -o rbind /$i /debian/$i; done; mount -t tmpfs tmpfs /debian/tmp", 60)


def fio(vm: Vm, kib: int, seconds: int) -> dict[str, dict[str, int]]:
    """Runs all jobs at once, each in a part of its disk, and has them read back what they wrote,
    `kib` each. Returns the number of requests of each kind, summed over the four."""
    common = ("--direct=1 --ioengine=libaio --iodepth=4 --thread --verify=crc32c --verify_fatal=1 --verify_state_save=0 "
              f"--fsync=4 --numjobs={JOBS} --group_reporting --new_group --size={kib}K "
              f"--offset_increment={kib}K")
    jobs = again = ""
    for disk, name in NAMES.items():
        place = f"--filename=/dev/{name} --offset"
        jobs += (f" --name={disk}-sequential {place}=0 --rw=write --bs=64k"
                 f" --name={disk}-random {place}={JOBS * kib}K --rw=randwrite --bs=4k"
                 # Each block is discarded, then written; what reads it back is another job. Not at
                 # random: until its pull request 1932 fio then wrote elsewhere, where offset= is.
                 f" --name={disk}-discard {place}={2 * JOBS * kib}K --rw=trimwrite --bs=4k")
        again += (f" --name={disk}-again {place}={2 * JOBS * kib}K --rw=read --bs=4k"
                  f"{'' if again else ' --stonewall'}")
    vm.guest(f"chroot /debian fio --output-format=json --output=/tmp/fio.json {common} {jobs}{again}",
             seconds)
    # The whole of it would take the console longer than the jobs took.
    text = vm.guest(f"grep -E '\"({KEYS})\" : ' /debian/tmp/fio.json")
    found: dict[str, dict[str, int]] = {}
    for key, value in re.findall(rf'"({KEYS})" : (\{{|"[^"]*"|\d+)', text):
        if key == "jobname":
            job = found.setdefault(value.strip('"'), {})
        elif value == "{":
            kind = key
        else:
            job[key if key == "error" else kind] = int(value)
    return found


def verify_on_three_disks(host: Board, kib: int, seconds: int) -> None:
    make_images(host, 3 * JOBS * kib)
    with Vm(host, f"--cpus 2 --disk /dev/vda,ro {' '.join(DISKS.values())}", memory="512M") as vm:
        vm.up()
        enter_debian(vm)
        requests = fio(vm, kib, seconds)
        print(requests)
        for disk in DISKS:
            for job in ("sequential", "random"):
                seen = requests[f"{disk}-{job}"]
                blocks = JOBS * kib // (64 if job == "sequential" else 4)
                assert seen["read"] == seen["write"] == blocks and seen["sync"] > 0, (job, seen)
            discarded = requests[f"{disk}-discard"]
            assert discarded["trim"] == discarded["write"] == blocks, discarded
            assert requests[f"{disk}-again"]["read"] == blocks, requests
        assert all(seen["error"] == 0 for seen in requests.values()), requests
        vm.guest("echo 3 >/proc/sys/vm/drop_caches")
        sums = {disk: vm.guest(f"sha256sum /dev/{name}", 120).split()[0]
                for disk, name in NAMES.items()}
        log = vm.ends(0, "poweroff -f")
        assert "error" not in log, log
    host.check("qemu-img check -q /tmp/qcow2 && qemu-img convert -f qcow2 -O raw /tmp/qcow2 /tmp/q && "
               "mv /tmp/q /tmp/qcow2", 60)
    for disk, seen in sums.items():
        assert host.check(f"sha256sum /tmp/{disk}", 60).split()[0] == seen, disk


@on(A_DEBIAN)
def test_fio_verifies_on_three_disks(host: Board) -> None:
    verify_on_three_disks(host, 512, 200)


@pytest.mark.long
@pytest.mark.deadline(3000)
@on(A_DEBIAN)
def test_fio_verifies_much_on_three_disks(host: Board) -> None:
    verify_on_three_disks(host, 16384, 2400)
