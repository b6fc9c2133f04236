# SPDX-License-Identifier: Apache-2.0
"""The boards that scenarios run on, and how a scenario asks for them."""

from __future__ import annotations

import pytest

from qemu import Kind

A = Kind("a", gic=3, cpus=2)
A_1CPU = Kind("a", gic=3, cpus=1)
A_4CPUS = Kind("a", gic=3, cpus=4)
A_GICV2 = Kind("a", gic=2, cpus=2)
A_STRICT = Kind("a", gic=3, cpus=2, words="vfio_platform.reset_required=1")
# The tree names an IOMMU all the same: nobody is to wait for its driver.
A_NOIOMMU = Kind("a", gic=3, cpus=2, words="rig.iommu=off vfio.enable_unsafe_noiommu_mode=1 "
                 "fw_devlink=off deferred_probe_timeout=0")
A_KERNELS = Kind("a", gic=3, cpus=2, kernels=True)  # /guest has the kernel in every format
A_PROGRAMS = Kind("a", gic=3, cpus=2, programs=True)  # and those that bpmp-vmm starts
A_DEBIAN = Kind("a", gic=3, cpus=2, programs=True, debian=True)  # and Debian's own, at /debian
A_RUST = Kind("a", gic=3, cpus=2, programs=True, rust=True)  # with another virtiofsd
A_STOCK = Kind("a", gic=3, cpus=2, programs=True, stock=True)  # and a disk as installed, at /stock
B = Kind("b")
# Guests of other kernels: Debian's oldest and newest sources that have the drivers.
B_OTHER_GUESTS = (Kind("b", guest="6.1"), Kind("b", guest="7.2"))


def on(*kinds: Kind, long: tuple[Kind, ...] = ()) -> pytest.MarkDecorator:
    """Runs the scenario once on each board, with that board as its argument `host`; on those in
    `long` with --long only."""
    cases = [pytest.param(kind, id=kind.name) for kind in kinds]
    cases += [pytest.param(kind, id=kind.name, marks=pytest.mark.long) for kind in long]
    return pytest.mark.parametrize("host", cases, indirect=True)
