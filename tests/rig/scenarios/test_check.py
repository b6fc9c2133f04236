# SPDX-License-Identifier: Apache-2.0
"""`bpmp-vmm check`: all that is in a VM's way, said at once, and the host left as it was."""

from __future__ import annotations

import re

from board import Board
from kinds import A, A_STRICT, on
import state
from vm import FILES, Vm

UART = "9040000.pl011"
GIVEN = f"--passthrough {UART},compatible=arm,pl011"


def check(host: Board, options: str, status: int) -> list[str]:
    """The errors that a check says, which must end with `status`."""
    seen, output = host.run(f"timeout 20 bpmp-vmm check {options}", 30)
    assert seen == status, output
    lines = output.splitlines()
    assert lines[-1].endswith("this VM would run here" if status == 0 else "would not run here")
    return [line for line in lines if "error: " in line]


@on(A)
def test_all_is_well_and_stays_so(host: Board) -> None:
    """What is asked about can be had afterwards; what a start would make is not there."""
    ends = "--console unix=/tmp/c --serial file=/tmp/s --control /tmp/control --dump-dtb /tmp/dtb"
    options = f"{GIVEN} --disk /tmp/d --cpus 2 --memory 128M"
    host.check("truncate -s 1M /tmp/d; echo kept >/tmp/s; rm -rf /run/bpmp-vmm")
    before = host.file(f"{state.BPMP}/log")
    assert check(host, f"{FILES} {options} {ends} --bpmp auto,audit=/tmp/audit", 0) == []
    assert not state.leftovers(host)
    assert host.file(f"{state.BPMP}/log") == before, "the host's BPMP was asked for something"
    assert host.file("/tmp/s") == "kept"
    assert host.check("ls -d /tmp/c /tmp/control /tmp/dtb /tmp/audit /run/bpmp-vmm 2>/dev/null; "
                      "true") == ""
    # KVM makes the largest guest there can be: every redistributor has its place.
    assert check(host, f"{FILES} --cpus 123 --irqchip gicv3 --pmu", 0) == []
    with Vm(host, options, memory="128M") as vm:
        vm.up()
        # Of the same VM, which runs: each thing that it has is in use.
        found = "\n".join(check(host, f"{FILES} {options}", 3))
        for said in (r"/dev/vfio/\d+ is in use", f"a VM of the name {UART} is running",
                     "--disk /tmp/d: another VM has the image open"):
            assert re.search(said, found), (said, found)
        assert vm.guest("echo alive") == "alive", "the one that runs has noticed nothing"
        vm.ends(0, "poweroff -f")
    host.check("rm /tmp/d /tmp/s")


# What a host lacks, what is said of it, and what mends it.
WAYS = (
    (r"/dev/kvm is missing", "CONFIG_KVM"),
    (r"--kernel /none", "No such file"),
    (r"--initrd /guest: is a directory", "regular file"),
    (rf"{UART}: vfio-platform did not take it", "fw_devlink=off"),
    (r"9000000.pl011 is bound to the host's driver", "driver/unbind"),
    (r"9000000.pl011 is in no IOMMU group", "iommus"),
    (r"--passthrough 9040001.pl011: no such device", UART),
    (r"--bpmp host=/dev/bpmp-host", "TEGRA_BPMP_HOST_PROXY"),
    (r"--console file=/none/c", "No such file"),
    (r"--disk /none", "check the path"),
    (r"--net tap=none0", "ip tuntap add"),
    (r"net: /dev/vhost-net", "modprobe vhost_net"),
    (r"--control /none/control", "check the directory"),
    (r"--dump-dtb /none/d", "may write"),
)


@on(A)
def test_everything_is_in_the_way(host: Board) -> None:
    hidden = "/dev/kvm /dev/bpmp-host /dev/vhost-net"
    host.check(f"mkdir /tmp/away && mv {hidden} /tmp/away && "
               f"echo {UART} >/sys/bus/platform/drivers/vfio-platform/unbind")
    try:
        found = check(host, "--kernel /none --initrd /guest --console file=/none/c --disk /none "
                      f"--net tap=none0 --control /none/control --dump-dtb /none/d {GIVEN} "
                      "--passthrough 9000000.pl011 --passthrough 9040001.pl011 --bpmp mailbox", 3)
    finally:
        host.run("mv /tmp/away/* /dev; rmdir /tmp/away; "
                 f"echo {UART} >/sys/bus/platform/drivers/vfio-platform/bind")
    for cause, remedy in WAYS:
        lines = [line for line in found if re.search(cause, line)]
        assert len(lines) == 1 and remedy in lines[0], (cause, found)
    assert len(found) == len(WAYS), found


@on(A)
def test_of_another_user(host: Board) -> None:
    """Permissions, and the limit of locked memory, which does not bind root."""
    host.check("chmod 666 /dev/kvm /dev/vfio/vfio /dev/vfio/[0-9]*")
    options = f"{FILES} {GIVEN} --memory 128M"
    try:
        seen, output = host.run(f"su vmm -c 'ulimit -l 1024; bpmp-vmm check {options}'", 30)
    finally:
        host.run("chmod 600 /dev/kvm /dev/vfio/[0-9]* /dev/bpmp-host")
    assert seen == 3, output
    assert re.search(r"/dev/bpmp-host: Permission denied; have udev give it", output)
    assert re.search(r"RLIMIT_MEMLOCK is less: set LimitMEMLOCK=infinity", output)
    assert "/dev/kvm" not in output and "/dev/vfio" not in output, output


@on(A_STRICT)
def test_reset_driver(host: Board) -> None:
    found = check(host, f"{FILES} {GIVEN}", 3)
    assert any("vfio_platform.reset_required=0" in line for line in found), found
