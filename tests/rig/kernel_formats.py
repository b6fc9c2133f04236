# SPDX-License-Identifier: Apache-2.0
"""A kernel in the formats that distributions ship: gzip, zstd, EFI zboot with either."""

from __future__ import annotations

import gzip
import struct
import subprocess
from pathlib import Path

# drivers/firmware/efi/libstub/zboot-header.S of the kernel
ZBOOT_HEADER = struct.Struct("<4s4sII8x32s")
ZBOOT_PAYLOAD = 4096  # the EFI stub's code is in between; no VMM runs it


def gzipped(image: Path) -> bytes:
    return gzip.compress(image.read_bytes(), 1, mtime=0)


def zstd(image: Path) -> bytes:
    return subprocess.run(["zstd", "-q", "-3", "-c", str(image)], stdout=subprocess.PIPE,
                          check=True).stdout


def zboot(kind: str, payload: bytes) -> bytes:
    header = ZBOOT_HEADER.pack(b"MZ\0\0", b"zimg", ZBOOT_PAYLOAD, len(payload), kind.encode())
    return header.ljust(ZBOOT_PAYLOAD, b"\0") + payload


def zboot_zstd(image: Path) -> bytes:
    """As the kernel's build makes it: the size of what is unpacked follows the frame."""
    return zboot("zstd22", zstd(image) + struct.pack("<I", image.stat().st_size))


def all_of(image: Path) -> dict[str, bytes]:
    """By file name; the kernel's own build has made the first."""
    return {"vmlinuz.efi": image.with_name("vmlinuz.efi").read_bytes(),
            "Image.gz": gzipped(image), "Image.zst": zstd(image),
            "zstd.efi": zboot_zstd(image)}
