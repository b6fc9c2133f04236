# SPDX-License-Identifier: Apache-2.0
"""Wrong inputs: each ends with status 2 (usage) or 3 (the host) and one line that names the
cause and what to do about it."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from board import Board
from kinds import A, A_GICV2, A_STRICT, on

K = "--kernel /guest/Image"
FILES = f"{K} --initrd /guest/initrd"
UART = "9040000.pl011"
SAID_BEFORE = re.compile(r"bpmp-vmm(\[\w+\])?: (jail:|9040000\.pl011 in the guest)")


class Wrong(NamedTuple):
    name: str
    options: str
    status: int
    says: str  # the cause, as a regular expression
    mends: str = ""  # the remedy
    before: str = "true"  # run on the host first
    after: str = "true"


WRONG = [
    Wrong("no kernel", "", 2, "kernel", "--kernel FILE"),
    Wrong("missing kernel", "--kernel /none", 2, "/none.*No such file"),
    Wrong("kernel is a directory", "--kernel /guest", 2, "/guest.*directory"),
    Wrong("empty kernel", "--kernel /tmp/k", 2, "/tmp/k", before=": >/tmp/k"),
    Wrong("truncated kernel", "--kernel /tmp/k", 2, "/tmp/k",
          before="head -c 1000000 /guest/Image >/tmp/k"),
    Wrong("kernel of 63 bytes", "--kernel /tmp/k", 2, "/tmp/k",
          before="head -c 63 /guest/Image >/tmp/k"),
    Wrong("wrong magic", "--kernel /bin/busybox", 2, "/bin/busybox.*Image"),
    Wrong("kernel of the other byte order", "--kernel /tmp/k", 2, "/tmp/k.*endian",
          before="cp /guest/Image /tmp/k; printf '\\013' | "
                 "dd of=/tmp/k bs=1 seek=24 conv=notrunc 2>/dev/null"),
    Wrong("compressed kernel, truncated", "--kernel /tmp/k", 2, "/tmp/k: is truncated",
          "copy it again", before="gzip -c /bin/busybox | head -c 100000 >/tmp/k"),
    Wrong("compressed kernel with something behind", "--kernel /tmp/k", 2, "/tmp/k: .*behind",
          "copy it again", before="(gzip -c /bin/busybox; echo more) >/tmp/k"),
    Wrong("a bomb for a kernel", "--kernel /tmp/k --memory 64M", 2, "/tmp/k: unpacks to more",
          "give more memory", before="dd if=/dev/zero bs=1M count=65 2>/dev/null | gzip >/tmp/k"),
    Wrong("compressed, but no kernel", "--kernel /tmp/k", 2, "/tmp/k: what it unpacks to is not",
          "arch/arm64/boot/Image", before="gzip -c /bin/busybox >/tmp/k"),
    Wrong("zboot in an unknown compression", "--kernel /tmp/k", 2, "/tmp/k: is an EFI zboot",
          "CONFIG_KERNEL_GZIP",
          before="(printf 'MZ\\0\\0zimg\\100\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0lz4'; "
                 "head -c 100 /dev/zero) >/tmp/k"),
    Wrong("early UART and console on one terminal", f"{FILES} --serial stdio", 2, "--serial stdio",
          "--console none"),
    Wrong("early UART in no directory", f"{FILES} --serial unix=/none/x", 3, "--serial unix=/none/x"),
    Wrong("kernel is a device", "--kernel /dev/zero", 2, "/dev/zero"),
    Wrong("kernel larger than memory", f"{K} --memory 4M", 2, "memory", "--memory"),
    Wrong("missing initrd", f"{K} --initrd /none", 2, "/none.*No such file"),
    Wrong("initrd is a directory", f"{K} --initrd /guest", 2, "/guest.*directory"),
    Wrong("initrd larger than memory", f"{K} --initrd /tmp/i --memory 64M", 2,
          "--memory.*initrd", "at least", before="dd if=/dev/zero of=/tmp/i bs=1M count=65"),
    Wrong("unknown option", f"{FILES} --frobnicate", 2, "--frobnicate", "--help"),
    Wrong("misspelt option", f"{FILES} --kernl x", 2, "--kernl", "--kernel"),
    Wrong("not an option", f"{FILES} x", 2, "'x'", "--help"),
    Wrong("option without its value", "--kernel", 2, "--kernel.*value"),
    Wrong("value for a switch", f"{FILES} --no-reboot=1", 2, "--no-reboot.*no value"),
    Wrong("memory of 0", f"{FILES} --memory 0", 2, "--memory", "512M"),
    Wrong("memory of 1 EiB", f"{FILES} --memory 1048576T", 2, "memory"),
    Wrong("memory of 1 TiB", f"{FILES} --memory 1T", 3, "--memory", "give less"),
    Wrong("memory beyond 64 bits", f"{FILES} --memory 99999999999T", 2, "--memory.*size"),
    Wrong("memory not a number", f"{FILES} --memory lots", 2, "lots.*size"),
    Wrong("memory base beyond 64 bits", f"{FILES} --memory 512M,base=0xffffffffffe00000", 2,
          "memory|RAM"),
    Wrong("memory over the interrupt controller", f"{FILES} --memory 512M,base=0x8000000", 2,
          "overlap|takes"),
    Wrong("unknown key", f"{FILES} --memory 512M,bse=0x40000000", 2, "bse", "base"),
    Wrong("no CPU", f"{FILES} --cpus 0", 2, "--cpus", "1 and 123"),
    Wrong("too many CPUs", f"{FILES} --cpus 124", 2, "--cpus", "1 and 123"),
    Wrong("too many CPUs for a GICv2", f"{FILES} --cpus 9 --irqchip gicv2", 3, "at most 8|gicv2"),
    Wrong("affinity for too few CPUs", f"{FILES} --cpus 3,affinity=0-1", 2, "2 .* for 3", "one for each"),
    Wrong("affinity to a CPU that is not there", f"{FILES} --cpus 2,affinity=0:7", 3,
          "vCPU 1 .* CPU 7", "online"),
    Wrong("unknown interrupt controller", f"{FILES} --irqchip gicv5", 2, "gicv5", "gicv3"),
    Wrong("unknown console", f"{FILES} --console tty", 2, "tty", "stdio"),
    Wrong("console in a missing directory", f"{FILES} --console unix=/none/c", 3,
          "/none/c.*No such file"),
    Wrong("console path too long", f"{FILES} --console unix=/tmp/{'x' * 120}", 3, "107", "shorter"),
    Wrong("console file in a missing directory", f"{FILES} --console file=/none/c", 3,
          "/none/c.*No such file"),
    Wrong("command line too long", f"{FILES} --cmdline {'x' * 2048}", 2, "--cmdline.*2047"),
    Wrong("tap that is not there", f"{FILES} --net tap=none0", 3, "tap=none0", "ip tuntap add"),
    Wrong("network on no tap", f"{FILES} --net tap=lo", 2, "tap=lo.*no tap", "ip tuntap add"),
    Wrong("network descriptor not open", f"{FILES} --net fd=99", 3, "fd=99", "dev/tap"),
    Wrong("network descriptor of a file", f"{FILES} --net fd=7 7</guest/initrd", 3, "fd=7",
          "dev/tap"),
    Wrong("user network without the program for it", f"{FILES} --net user", 3,
          "passt is not in .PATH", "package"),
    Wrong("forwarded port without one of the guest's", f"{FILES} --net user,hostfwd=tcp::22", 2,
          "hostfwd", "tcp:127.0.0.1:2222-:22"),
    Wrong("group's network address", f"{FILES} --net tap=t,mac=01:00:5e:00:00:01", 2,
          "01:00:5e:00:00:01", "52:54:00"),
    Wrong("vsock at the host's address", f"{FILES} --vsock 2", 2, "--vsock 2", "from 3"),
    Wrong("vsock without its module", f"{FILES} --vsock 3", 3, "/dev/vhost-vsock.*No such file",
          "modprobe vhost_vsock", before="mv /dev/vhost-vsock /dev/vsock-away",
          after="mv /dev/vsock-away /dev/vhost-vsock"),
    Wrong("unknown action", f"{FILES} --on-panic dance", 2, "dance", "restart"),
    Wrong("missing disk", f"{FILES} --disk /none", 2, "--disk /none.*No such file", "path"),
    Wrong("disk is a directory", f"{FILES} --disk /guest,ro", 2, "/guest.*directory"),
    Wrong("disk is a character device", f"{FILES} --disk /dev/null", 2, "/dev/null.*block device"),
    Wrong("disk of an odd size", f"{FILES} --disk /tmp/d", 2, "/tmp/d.*512", "truncate",
          before="head -c 1000 /guest/Image >/tmp/d"),
    Wrong("empty disk", f"{FILES} --disk /tmp/d", 2, "/tmp/d.*empty", "truncate", before=": >/tmp/d"),
    Wrong("raw image as qcow2", f"{FILES} --disk /tmp/d,format=qcow2", 2,
          "/tmp/d: is no qcow2 image", "leave format=qcow2 away",
          before="head -c 8192 /guest/Image >/tmp/d"),
    Wrong("qcow2 without the program for it", f"{FILES} --disk /tmp/d,format=qcow2", 3,
          "qemu-storage-daemon is not in .PATH", "package", before="printf 'QFI\\373' >/tmp/d"),
    Wrong("disk's back end is not there", f"{FILES} --disk vhost-user=/none", 3,
          "vhost-user=/none.*No such file", "start"),
    Wrong("directory's back end is not there", f"{FILES} --fs vhost-user=/none,tag=a", 3,
          "--fs vhost-user=/none.*No such file", "start"),
    Wrong("unknown device", f"{FILES} --passthrough 9040001.pl011", 3, "9040001.pl011", UART),
    Wrong("device by its node's name", f"{FILES} --passthrough pl011@9040000", 3,
          "pl011@9040000", UART),
    Wrong("device by its path", f"{FILES} --passthrough /sys/bus/platform/devices/{UART}", 2,
          "path"),
    Wrong("device given twice", f"{FILES} --passthrough {UART} --passthrough {UART}", 2, "twice"),
    Wrong("device bound elsewhere", f"{FILES} --passthrough 9000000.pl011", 3, "uart-pl011",
          "driver_override|unbind"),
    Wrong("device bound to nothing", f"{FILES} --passthrough {UART}", 3, UART, "vfio-platform",
          before=f"echo {UART} >/sys/bus/platform/drivers/vfio-platform/unbind",
          after=f"echo {UART} >/sys/bus/platform/drivers/vfio-platform/bind"),
    Wrong("device with a dummy compatible", f"{FILES} --passthrough {UART}", 2, "dummy",
          "compatible="),
    Wrong("device address not a number", f"{FILES} --passthrough {UART},address=there", 2,
          "there"),
    Wrong("device over memory",
          f"{FILES} --passthrough {UART},compatible=arm,pl011,address=0x40000000", 2, "overlap|takes"),
    Wrong("device beyond the guest's addresses",
          f"{FILES} --bpmp off --passthrough {UART},compatible=arm,pl011,"
          "address=0x20000000000000", 2, "address bits"),
    Wrong("device not on a page",
          f"{FILES} --passthrough {UART},compatible=arm,pl011,address=0x0c000100", 2, "0xc000100"),
    Wrong("group node missing", f"{FILES} --passthrough {UART},compatible=arm,pl011", 3,
          "/dev/vfio/\\d+", before="mv /dev/vfio /dev/vfio-away",
          after="mv /dev/vfio-away /dev/vfio"),
    Wrong("no KVM", FILES, 3, "/dev/kvm", "KVM", before="mv /dev/kvm /dev/kvm-away",
          after="mv /dev/kvm-away /dev/kvm"),
    Wrong("no BPMP node", f"{FILES} --passthrough {UART},compatible=arm,pl011", 3,
          "/dev/bpmp-host", "--bpmp", before="mv /dev/bpmp-host /dev/bpmp-away",
          after="mv /dev/bpmp-away /dev/bpmp-host"),
    Wrong("BPMP node is a directory",
          f"{FILES} --passthrough {UART},compatible=arm,pl011 --bpmp mailbox,host=/tmp", 3, "/tmp"),
    Wrong("unknown BPMP mode", f"{FILES} --bpmp mail", 2, "mail", "mailbox"),
    Wrong("BPMP ids not numbers", f"{FILES} --bpmp mailbox,clocks=uarta", 2, "uarta"),
    Wrong("configuration missing", "--config /none", 2, "--config /none.*No such file", "path"),
    Wrong("configuration that is no JSON", "--config /tmp/c", 2, "/tmp/c: line 2: not JSON",
          before="printf '{\\n\"cpus\" 2 }' >/tmp/c"),
    Wrong("configuration with an unknown option", "--config /tmp/c", 2,
          "/tmp/c: line 2: \"kernl\"", "kernel", before="printf '{\\n\"kernl\": 2 }' >/tmp/c"),
    Wrong("dump to a missing directory", f"{FILES} --dump-dtb /none/d", 2, "/none/d"),
]

# Run by a user who may open nothing: uid 1000.
UNPRIVILEGED = [
    Wrong("KVM not permitted", FILES, 3, "/dev/kvm.*[Pp]ermission", "group|chmod"),
    Wrong("kernel not readable", "--kernel /tmp/k", 2, "/tmp/k.*[Pp]ermission",
          before="touch /tmp/k; chmod 600 /tmp/k"),
    Wrong("disk not writable", f"{FILES} --disk /tmp/d", 2, "/tmp/d.*[Pp]ermission", ",ro",
          before="chmod 666 /dev/kvm; head -c 512 /guest/Image >/tmp/d; chmod 644 /tmp/d"),
    Wrong("BPMP node not permitted", f"{FILES} --passthrough {UART},compatible=arm,pl011", 3,
          "/dev/bpmp-host.*[Pp]ermission", "group|chmod",
          before="chmod 666 /dev/kvm /dev/vfio/*; ulimit -l unlimited"),
    Wrong("VFIO group not permitted", f"{FILES} --passthrough {UART},compatible=arm,pl011", 3,
          "/dev/vfio/\\d+.*[Pp]ermission", "group|chmod",
          before="chmod 666 /dev/kvm; chmod 600 /dev/vfio/[0-9]*"),
]


def refused(host: Board, wrong: Wrong, command: str) -> None:
    host.check(f"({wrong.before}) 2>/dev/null")
    try:
        status, output = host.run(f"timeout 20 {command}", 30)
    finally:
        host.run(wrong.after)
    assert status == wrong.status, output
    # What was said before the error was found is no complaint.
    lines = [line for line in output.splitlines() if not SAID_BEFORE.match(line)]
    assert len(lines) == 1, f"not one line:\n{output}"
    assert re.match(r"bpmp-vmm(\[\w+\])?: error: ", lines[0]), lines[0]
    assert re.search(wrong.says, lines[0]), f"no cause ({wrong.says}) in: {lines[0]}"
    assert re.search(wrong.mends, lines[0]), f"no remedy ({wrong.mends}) in: {lines[0]}"


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.name for wrong in WRONG])
@on(A)
def test_wrong(host: Board, wrong: Wrong) -> None:
    refused(host, wrong, f"bpmp-vmm {wrong.options}")


@pytest.mark.parametrize("wrong", UNPRIVILEGED, ids=[wrong.name for wrong in UNPRIVILEGED])
@on(A)
def test_not_permitted(host: Board, wrong: Wrong) -> None:
    try:
        refused(host, wrong, f"su vmm -c 'bpmp-vmm {wrong.options}'")
    finally:
        host.run("chmod 600 /dev/kvm /dev/vfio/[0-9]* /dev/bpmp-host")


@on(A_STRICT)
def test_device_needs_a_reset_driver(host: Board) -> None:
    wrong = Wrong("", f"{FILES} --passthrough {UART},compatible=arm,pl011", 3,
                  "reset|vfio-platform", "vfio_platform.reset_required=0")
    refused(host, wrong, f"bpmp-vmm {wrong.options}")


@on(A_GICV2)
def test_controller_that_the_host_lacks(host: Board) -> None:
    wrong = Wrong("", f"{FILES} --irqchip gicv3", 3, "[Gg][Ii][Cc]v3", "gicv2|auto")
    refused(host, wrong, f"bpmp-vmm {wrong.options}")
