# SPDX-License-Identifier: Apache-2.0
"""The guest of all scenarios under Debian's QEMU: as the front end of back ends that are ours, and to
be compared with.

    with QemuVm(host, front_end(SOCKET, "-device vhost-user-blk-pci,chardev=back")) as vm:
        vm.up()
"""

from __future__ import annotations

from board import Board
from vm import Vm


def front_end(socket: str, device: str) -> str:
    """QEMU's options. `socket`: where the back end listens, chardev `back` of `device`."""
    return ("-machine memory-backend=ram -object memory-backend-memfd,id=ram,size=256M,share=on "
            f"-serial stdio -chardev socket,id=back,path={socket} {device}")


class QemuVm(Vm):
    def __init__(self, host: Board, options: str, words: str = "console=ttyAMA0",
                 cpus: int = 2) -> None:
        """`options`: QEMU's, its console on standard input and output; `words`: the kernel's."""
        host.check("cp -u /guest/Image /guest/initrd /tmp")
        # Pipes: on a terminal QEMU turns output processing on.
        super().__init__(host, name="qemu", terminal=False, command=(
            "chroot /debian qemu-system-aarch64 -machine virt,gic-version=3 -accel kvm -cpu host "
            f"-smp {cpus} -m 256M -nodefaults -no-user-config -display none -kernel /tmp/Image "
            f"-initrd /tmp/initrd -append '{words} panic=-1' {options}"))
