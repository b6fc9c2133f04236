# SPDX-License-Identifier: Apache-2.0
"""Requests of a test's choice to the BPMP that a guest sees, through the guest's own driver."""

from __future__ import annotations

from typing import NamedTuple

from vm import Vm

FILE = "/sys/kernel/debug/rig_mrq"

MRQ_PING = 0
MRQ_RESET = 20
MRQ_CLK = 22
MRQ_PG = 66
CLK_GET_RATE = 1 << 24
CLK_SET_RATE = 2 << 24
CLK_ENABLE = 7 << 24
CLK_DISABLE = 8 << 24
RESET_ASSERT = 1
BPMP_EACCES = -13


class Answer(NamedTuple):
    error: int  # the transfer's, -errno
    ret: int  # the firmware's code
    words: list[int]


def request(vm: Vm, mrq: int, *words: int) -> Answer:
    """Sends the 32-bit words as one request."""
    text = " ".join(f"{word:#x}" for word in (mrq, *words))
    answer = vm.guest(f"[ -e {FILE} ] || insmod /modules/rig_mrq.ko; echo {text} >{FILE}; cat {FILE}")
    error, ret, *rest = answer.split()
    return Answer(int(error), int(ret), [int(word, 16) for word in rest])
