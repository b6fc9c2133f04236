# SPDX-License-Identifier: Apache-2.0
"""QEMU's command lines for the two boards, and its process.

Board A is `virt`: GICv3 or GICv2, VHE, up to 8 CPUs, a second PL011 to give away.
Board B is `npcm845-evb`: Cortex-A35 without VHE, GICv2, one CPU, 16550 UARTs, no PSCI.
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


@dataclass(frozen=True)
class Kind:
    """Which board, and how it is built."""

    board: str = "a"  # "a" or "b"
    gic: int = 3
    cpus: int = 2
    icount: bool = False  # the clock counts instructions: 1 ns each
    words: str = ""  # more for the host's kernel command line

    @property
    def name(self) -> str:
        name = f"a-gicv{self.gic}-{self.cpus}cpu" if self.board == "a" else "b"
        return name + ("-icount" if self.icount else "") + ("-special" if self.words else "")


# On an Orin the IOMMU's interrupts are not remapped, and its devices have no reset driver.
HOST_WORDS = ("vfio_iommu_type1.allow_unsafe_interrupts=1 vfio_platform.reset_required=0 "
              "panic=-1 rdinit=/init")


def command(kind: Kind, initramfs: Path, serials: list[str], agent: str) -> list[str]:
    """`serials`: the host's console and the wire; `agent`: a chardev's options."""
    line = [QEMU, "-nographic", "-nodefaults", "-no-reboot", "-kernel", str(artifacts.kernel()),
            "-initrd", str(initramfs)]
    if kind.icount:
        line += ["-icount", "shift=0,sleep=off"]
    for serial in serials:
        line += ["-serial", serial]
    line += ["-chardev", agent]
    if kind.board == "a":
        words = f"console=ttyAMA0 rig.agent=/dev/vport0p1 {HOST_WORDS}"
        line += ["-machine", f"virt,virtualization=on,gic-version={kind.gic}",
                 "-cpu", "max,pauth-impdef=on", "-smp", str(kind.cpus), "-m", "2G",
                 "-device", "virtio-serial-device",
                 "-device", "virtserialport,chardev=agent,nr=1"]
    else:
        # fw_devlink would wait for a driver of the clocks' supplier.
        words = f"console=ttyS0 fw_devlink=off rig.agent=/dev/ttyS2 {HOST_WORDS}"
        line += ["-machine", "npcm845-evb", "-m", "1G", "-serial", "chardev:agent"]
    line += ["-dtb", str(artifacts.device_tree(kind.board, kind.gic, kind.cpus))]
    return line + ["-append", f"{words} {kind.words}".strip()]


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
