# SPDX-License-Identifier: Apache-2.0
"""QEMU's command lines for the two boards, and its process.

Board A is `virt`: GICv3 or GICv2, VHE, up to 8 CPUs, a second PL011 to give away.
Board B is `ast2700a1-evb`: Cortex-A35 without VHE, GICv3, one CPU, 16550 UARTs, no PSCI;
boards/ast2700.dts says why this one.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import artifacts

QEMU = "qemu-system-aarch64"
PR_SET_PDEATHSIG = 1
SRAM = 0x10000000  # board B's
WFI_LOOP = 0x17FFFFFF_D503207F  # wfi; b .-4


@dataclass(frozen=True)
class Kind:
    """Which board, and how it is built."""

    board: str = "a"  # "a" or "b"
    gic: int = 3
    cpus: int = 2
    icount: bool = False  # the clock counts instructions: 1 ns each
    words: str = ""  # more for the host's kernel command line
    kernels: bool = False  # the host has the guest's kernel in other formats, too
    programs: bool = False  # the host has the programs that bpmp-vmm starts
    debian: bool = False  # the host has a Debian system at /debian, as /dev/vda, and images of it
    rust: bool = False  # its virtiofsd is the one in Rust
    stock: bool = False  # a distribution's own kernel, initrd and disk are at /stock
    guest: str = ""  # the series of the guests' kernel, if it is not the host's

    @property
    def name(self) -> str:
        name = f"a-gicv{self.gic}-{self.cpus}cpu" if self.board == "a" else "b"
        name += "-icount" if self.icount else ""
        name += "-kernels" if self.kernels else ""
        name += "-programs" if self.programs else ""
        name += "-debian" if self.debian else ""
        name += "-rust" if self.rust else ""
        name += "-stock" if self.stock else ""
        name += f"-guest{self.guest}" if self.guest else ""
        return name + "".join("-" + word.split("=")[0] for word in self.words.split()[:1])


# On an Orin the IOMMU's interrupts are not remapped, and its devices have no reset driver.
HOST_WORDS = ("vfio_iommu_type1.allow_unsafe_interrupts=1 vfio_platform.reset_required=0 "
              "panic=-1 rdinit=/init")


def command(kind: Kind, initramfs: Path, console: str, wire: str, agent: str) -> list[str]:
    """`console`, `wire`: where these serial lines end; `agent`: a chardev's options."""
    line = [QEMU, "-nographic", "-nodefaults", "-no-reboot", "-kernel", str(artifacts.kernel()),
            "-initrd", str(initramfs)]
    if kind.icount:
        line += ["-icount", "shift=0,sleep=off"]
    line += ["-chardev", agent]
    if kind.board == "a":
        words = f"console=ttyAMA0 rig.agent=/dev/vport0p1 {HOST_WORDS}"
        line += ["-machine", f"virt,virtualization=on,gic-version={kind.gic}",
                 "-serial", console, "-serial", wire,
                 "-cpu", "max,pauth-impdef=on", "-smp", str(kind.cpus), "-m", "2G",
                 # The last virtio device is Linux' first, so the disks are vda and vdb.
                 *(disk(artifacts.debian() / "images.ext4") +
                   disk(artifacts.debian() / "root.ext4") if kind.debian else ()),
                 *(disk(artifacts.debian("stock") / "stock.ext4") if kind.stock else ()),
                 "-device", "virtio-serial-device",
                 "-device", "virtserialport,chardev=agent,nr=1"]
    else:
        # fw_devlink would wait for a driver of the clocks' supplier.
        words = f"console=ttyS0 fw_devlink=off rig.agent=/dev/ttyS1 {HOST_WORDS}"
        # The first serial line is that of the chosen UART, the next ones are UART0's and UART1's.
        line += ["-machine", "ast2700a1-evb,bmc-console=uart4", "-m", "1G",
                 "-serial", wire, "-serial", console, "-serial", "chardev:agent",
                 *sleep_forever(cpus=(1, 2, 3))]
    line += ["-dtb", str(artifacts.device_tree(kind.board, kind.gic, kind.cpus))]
    return line + ["-append", f"{words} {kind.words}".strip()]


def disk(image: Path) -> list[str]:
    """What is written to it is gone with the board."""
    return ["-drive", f"file={image},format=raw,if=none,snapshot=on,id={image.stem}",
            "-device", f"virtio-blk-device,drive={image.stem}"]


def sleep_forever(cpus: tuple[int, ...]) -> list[str]:
    """Starts these CPUs of board B, which all run from reset on, in a loop in its SRAM."""
    line = ["-device", f"loader,addr={SRAM:#x},data={WFI_LOOP:#x},data-len=8"]
    for cpu in cpus:
        line += ["-device", f"loader,addr={SRAM:#x},cpu-num={cpu}"]
    return line


def start(line: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts QEMU in a process group of its own; the kernel kills it when this process ends."""
    libc = ctypes.CDLL(None)

    def die_with_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write((" ".join(line) + "\n").encode())
        output.flush()
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                start_new_session=True, preexec_fn=die_with_parent)


class Listener:
    """A unix socket that QEMU connects to before the board's first instruction."""

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / name
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self._socket.listen(1)

    def accept(self, seconds: float) -> socket.socket:
        self._socket.settimeout(seconds)
        try:
            return self._socket.accept()[0]
        finally:
            self._socket.close()
