# SPDX-License-Identifier: Apache-2.0
"""The guest of all scenarios under Debian's QEMU, as the front end of back ends that are ours.

    with QemuVm(host, SOCKET, "-device vhost-user-blk-pci,chardev=back") as vm:
        vm.up()
"""

from __future__ import annotations

from board import Board
from vm import Vm


class QemuVm(Vm):
    def __init__(self, host: Board, socket: str, device: str) -> None:
        """`socket`: where the back end listens, chardev `back` of `device`."""
        self.host, self.name = host, "qemu"
        self.log_path = "/tmp/qemu.log"
        host.check("cp /guest/Image /guest/initrd /tmp")
        self.command = (
            "chroot /debian qemu-system-aarch64 -nodefaults -nographic -serial stdio "
            "-machine virt,gic-version=3,memory-backend=ram -accel kvm -cpu host -smp 2 -m 256M "
            "-object memory-backend-memfd,id=ram,size=256M,share=on "
            "-kernel /tmp/Image -initrd /tmp/initrd -append 'console=ttyAMA0 panic=-1' "
            f"-chardev socket,id=back,path={socket} {device}")
        # Pipes: on a terminal QEMU turns output processing on.
        self.session = host.start(f"exec {self.command} 2>{self.log_path}", self.name,
                                  terminal=False)
        self.console = self.session
