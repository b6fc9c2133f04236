# SPDX-License-Identifier: Apache-2.0
"""What the rig boots, and where it comes from: kernel, modules, user space, trees, helpers.

Each piece is made by its own script, which caches it; here they are only asked for.
"""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

RIG = Path(__file__).resolve().parent
TOP = RIG.parent.parent
BUILD = TOP / "build" / "rig"
VMM = Path(os.environ.get("BPMP_VMM", TOP / "build" / "aarch64" / "bpmp-vmm"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bpmp-vmm"

CROSS = "" if platform.machine() == "aarch64" else "aarch64-linux-gnu-"


CANNOT_BE_HAD = 77  # the scripts' status for it


class CannotBeHad(Exception):
    """What a scenario needs and this machine cannot get; says what and why."""


def ask(*command: str | Path) -> str:
    """Runs a script of the rig; its progress goes to the terminal, its answer is returned."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True,
                          cwd=TOP, check=False)
    if done.returncode == CANNOT_BE_HAD:
        raise CannotBeHad(f"{' '.join(map(str, command))}: {done.stdout.strip() or 'see above'}")
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed with status {done.returncode}")
    return done.stdout.strip()


@functools.cache
def sysroot() -> Path:
    return Path(ask(RIG / "sysroot"))


@functools.cache
def programs() -> Path:
    """Where the programs are that bpmp-vmm starts, with their libraries."""
    return Path(ask(RIG / "sysroot", "programs"))


@functools.cache
def rust_virtiofsd() -> Path:
    """Where that program is, with libraries of a release of its own."""
    return Path(ask(RIG / "sysroot", "virtiofsd"))


@functools.cache
def kernel(series: str = "") -> Path:
    """The Image that hosts and guests boot; with a series, one for guests alone."""
    return Path(_kernel_answer(series)["IMAGE"])


@functools.cache
def modules(series: str = "") -> list[Path]:
    return sorted(Path(_kernel_answer(series)["MODULES"]).glob("*.ko"))


@functools.cache
def _kernel_answer(series: str) -> dict[str, str]:
    lines = ask(RIG / "kernel" / "build", *([series] if series else [])).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@functools.cache
def debian(which: str = "") -> Path:
    """The directory with a Debian system's images."""
    return Path(ask(RIG / "debian", *([which] if which else [])))


@functools.cache
def device_tree(board: str, gic: int, cpus: int) -> Path:
    """The host's tree. Board A's depends on its GIC and its number of CPUs."""
    if board == "b":
        return Path(ask(RIG / "boards" / "make-dtb", "b"))
    return Path(ask(RIG / "boards" / "make-dtb", "a", str(gic), str(cpus)))


def _is_new(made: Path, sources: Iterable[Path]) -> bool:
    return made.exists() and made.stat().st_mtime >= max(s.stat().st_mtime for s in sources)


@functools.cache
def helper(where: str, name: str) -> Path:
    """A program of tests/rig/host, guest or both, built for arm64 and linked statically."""
    source = RIG / where / f"{name}.c"
    program = BUILD / where / name
    # Some include what the program under test has.
    if not _is_new(program, [source, *TOP.glob("devices/virtio/*.h"), *source.parent.glob("*.h")]):
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([f"{CROSS}gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                        "-static", f"-I{TOP}", "-o", str(program), str(source)], check=True)
    return program


@functools.cache
def bare() -> Path:
    """The guest without an operating system, tests/rig/bare, as a raw arm64 Image."""
    source, image = RIG / "bare", BUILD / "bare" / "Image"
    if _is_new(image, source.iterdir()):
        return image
    image.parent.mkdir(parents=True, exist_ok=True)
    linked = image.with_name("bare.elf")
    # The MMU is off: no unaligned accesses, and position-independent, as RAM may be anywhere.
    subprocess.run([f"{CROSS}gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
                    "-ffreestanding", "-fpie", "-mstrict-align", "-mgeneral-regs-only",
                    "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
                    "-fno-tree-loop-distribute-patterns", "-nostdlib", "-static",
                    "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
                    f"-Wl,-T,{source / 'image.lds'}", "-o", str(linked),
                    *map(str, sorted(source.glob("*.[cS]")))], check=True)
    subprocess.run([f"{CROSS}objcopy", "-O", "binary", str(linked), str(image)], check=True)
    return image


def libraries(program: Path, *roots: Path) -> list[tuple[str, Path]]:
    """The dynamic loader and the libraries that a program needs: (path on the host, file)."""
    found: dict[str, Path] = {}
    _add_needed(program, found, (*roots, sysroot()))
    return sorted(found.items())


def _add_needed(program: Path, found: dict[str, Path], roots: tuple[Path, ...]) -> None:
    for name in _needed(program):
        target = f"/lib/{name}"
        if target not in found:
            found[target] = _find_library(name, roots)
            _add_needed(found[target], found, roots)


@functools.cache
def _needed(program: Path) -> list[str]:
    """The names of what it is linked with."""
    listing = subprocess.run([f"{CROSS}readelf", "-ldW", str(program)], stdout=subprocess.PIPE,
                             text=True, check=True).stdout
    return [line.split("[")[1].rstrip("]").split(": ")[-1].split("/")[-1]
            for line in listing.splitlines()
            if "(NEEDED)" in line or "program interpreter:" in line]


def _find_library(name: str, roots: tuple[Path, ...]) -> Path:
    for root in roots:
        for place in ("lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib"):
            candidate = root / place / name
            if candidate.exists():
                return candidate
    raise RuntimeError(f"{name} is not under {roots}: add its package to tests/rig/sysroot")
