# SPDX-License-Identifier: Apache-2.0
"""The boards' initramfs: archives in cpio's newc format, written here, so no root is needed.

They are not compressed: the kernel copies an archive faster than it unpacks one, and writing both
takes a tenth of a second.
"""

from __future__ import annotations

import stat
from pathlib import Path

import artifacts
import kernel_formats

BUSYBOX = "bin/busybox"
GUEST_MODULES = ("rig_mrq.ko", "evdev.ko")
PROGRAMS = ("usr/bin/qemu-storage-daemon", "usr/bin/qemu-img", "usr/bin/passt")
SERVERS = ("usr/lib/qemu/virtiofsd", "usr/libexec/virtiofsd")  # the one that Debian's release has


class Archive:
    """A newc archive in memory. Parent directories are added as they are needed."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._names: set[str] = set()
        self._inode = 0

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self._parents(path)
        self._entry(path, stat.S_IFREG | mode, content)

    def copy(self, path: str, source: Path, mode: int = 0o755) -> None:
        self.file(path, source.read_bytes(), mode)

    def directory(self, path: str, mode: int = 0o755) -> None:
        self._parents(path)
        if path not in self._names:
            self._entry(path, stat.S_IFDIR | mode)

    def link(self, path: str, target: str) -> None:
        self._parents(path)
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path: str, major: int, minor: int) -> None:
        self._parents(path)
        self._entry(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def finish(self) -> bytes:
        self._inode = -1
        self._entry("TRAILER!!!", 0)
        return bytes(self._data)

    def _parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent:
            self.directory(parent)

    def _entry(self, path: str, mode: int, content: bytes = b"",
               device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        self._names.add(path)
        links = 2 if stat.S_ISDIR(mode) else 1
        name = path.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, links, 0, len(content), 0, 0, *device, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (header + name, content):
            self._data += part
            self._data += bytes(-len(self._data) % 4)


def _base(init: Path) -> Archive:
    archive = Archive()
    archive.character_device("dev/console", 5, 1)
    archive.character_device("dev/null", 1, 3)
    archive.copy(BUSYBOX, artifacts.sysroot() / BUSYBOX)
    archive.link("bin/sh", "busybox")
    archive.copy("init", init)
    archive.file("etc/passwd", b"root::0:0::/root:/bin/sh\nvmm::1000:1000::/tmp:/bin/sh\n"
                 b"nobody:x:65534:65534::/:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\nvmm:x:1000:\n")
    return archive


def guest(series: str = "") -> bytes:
    """`series`: of the guest's kernel, if it is not the host's."""
    archive = _base(artifacts.RIG / "guest" / "init")
    _add_helpers(archive, "guest")
    _add_helpers(archive, "both")
    _add_modules(archive, for_guest=True, series=series)
    return archive.finish()


def _add_helpers(archive: Archive, where: str) -> None:
    for source in sorted((artifacts.RIG / where).glob("*.c")):
        archive.copy(f"usr/bin/rig-{source.stem}", artifacts.helper(where, source.stem))


def _add_modules(archive: Archive, for_guest: bool, series: str = "") -> None:
    for module in artifacts.modules(series):
        if (module.name in GUEST_MODULES) == for_guest or module.name == "evdev.ko":
            archive.copy(f"modules/{module.name}", module, 0o644)


def _add_programs(archive: Archive) -> None:
    """What bpmp-vmm starts, and what makes images for it."""
    libraries: dict[str, Path] = {}
    for name in (*PROGRAMS, *SERVERS):
        program = artifacts.programs() / name
        if name in SERVERS and not program.exists():
            continue
        archive.copy(f"usr/bin/{program.name}", program)
        libraries |= artifacts.libraries(program, artifacts.programs())
    if artifacts.VMM.exists():
        libraries = dict(libraries.items() - artifacts.libraries(artifacts.VMM))
    for path, library in sorted(libraries.items()):
        archive.copy(path.lstrip("/"), library)


def _add_rust_virtiofsd(archive: Archive) -> None:
    """In place of the other, with its own C library beside that of the rest."""
    root = artifacts.rust_virtiofsd()
    program = root / SERVERS[1]
    if not program.exists():
        raise artifacts.CannotBeHad(f"there is no {program}")
    libraries = dict(artifacts.libraries(program, root))
    for path, library in libraries.items():
        archive.copy(f"rust/{Path(path).name}", library)
    loader = next(path for path in libraries if "/ld-linux" in path)
    archive.copy("rust/virtiofsd", program)
    archive.file("usr/bin/virtiofsd", f"""#!/bin/sh
exec /rust/{Path(loader).name} --library-path /rust /rust/virtiofsd "$@"
""".encode(), 0o755)


def host(series: str = "", kernels: bool = False, programs: bool = False,
         rust: bool = False) -> bytes:
    """The host's: the program under test, what it links with, and the guest that it boots."""
    archive = _base(artifacts.RIG / "host" / "init")
    _add_helpers(archive, "host")
    _add_helpers(archive, "both")
    if artifacts.VMM.exists():
        archive.copy("usr/bin/bpmp-vmm", artifacts.VMM)
        for path, library in artifacts.libraries(artifacts.VMM):
            archive.copy(path.lstrip("/"), library)
    if programs:
        _add_programs(archive)
    if rust:
        _add_rust_virtiofsd(archive)
    _add_modules(archive, for_guest=False)
    archive.copy("guest/Image", artifacts.kernel(series), 0o644)
    archive.file("guest/initrd", guest(series))
    archive.copy("guest/bare", artifacts.bare(), 0o644)
    if kernels:
        for name, content in kernel_formats.all_of(artifacts.kernel(series)).items():
            archive.file(f"guest/{name}", content)
    return archive.finish()
