# SPDX-License-Identifier: Apache-2.0
"""Kernels as they are shipped: compressed, and binaries without a header. What is wrong with one
is in test_wrong_inputs.py."""

from __future__ import annotations

import pytest

import state
from board import Board
from kinds import A_KERNELS, on
from vm import Vm

INITRD = "--initrd /guest/initrd"


@pytest.mark.parametrize("name", ["vmlinuz.efi", "zstd.efi", "Image.gz"])
@on(A_KERNELS)
def test_compressed(host: Board, name: str) -> None:
    """Unpacked before the guest runs, by a worker that is gone then."""
    with Vm(host, files=f"--kernel /guest/{name} {INITRD}", words="rig.do=poweroff") as vm:
        vm.boots()
        log = vm.ends(0)
        assert "bpmp-vmm[unpack]: jail: " in log


@on(A_KERNELS)
def test_a_reset_needs_no_file(host: Board) -> None:
    host.check("mkdir -p /tmp/k && cp /guest/Image.zst /tmp/k/kernel")
    with Vm(host, files=f"--kernel /tmp/k/kernel {INITRD}") as vm:
        vm.up()
        assert "unpack" not in {process.role for process in state.processes(host)}
        assert "memfd:kernel" in host.check(f"ls -l /proc/{vm.pid()}/fd")
        host.check(": >/tmp/k/kernel; rm /tmp/k/kernel")
        vm.console.sendline("reboot -f")
        vm.up()
        log = vm.ends(0, "poweroff -f")
        assert log.count("bpmp-vmm[unpack]: jail: ") == 1


@on(A_KERNELS)
def test_headerless_binary(host: Board) -> None:
    """It asks PSCI for SYSTEM_OFF, relative to nothing: movz w0, #8; movk w0, #0x8400, lsl #16;
    hvc #0."""
    host.check("printf '\\000\\001\\200\\122\\000\\200\\260\\162\\002\\000\\000\\324' >/tmp/raw")
    output = host.check("bpmp-vmm --kernel /tmp/raw,raw --memory 64M --console none 2>&1")
    assert "the guest powered off" in output
