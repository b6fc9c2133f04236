# SPDX-License-Identifier: Apache-2.0
"""Guests that reset over and over, at rest and with requests to the BPMP under way."""

from __future__ import annotations

import pytest

import guest_bpmp as mrq
import state
import uart
from board import Board
from bpmp_faces import FAST, MAILBOX, faces
from kinds import A, on
from test_bpmp_guest import DISASTER
from vm import Vm

# GET_RATE of the UART's clock: the worker passes it on to the host's BPMP.
REQUEST = f"{mrq.MRQ_CLK} {mrq.CLK_GET_RATE | 43:#x} 0 0 0"
STORM = (f"for i in 1 2 3 4; do while :; do echo {REQUEST} >{mrq.FILE}; done & done; "
         "sleep 0.3; echo b >/proc/sysrq-trigger")


def start(host: Board, face: str, words: str = "") -> Vm:
    return Vm(host, f"--cpus 2 --passthrough {uart.UART_A.passthrough} {face}", words=words)


def no_disaster(vm: Vm) -> None:
    """In all that the guest has printed since the VM's start."""
    said = (vm.host.logs / f"{vm.name}.log").read_text(errors="replace")
    found = DISASTER.search(said)
    assert not found, said[max(0, found.start() - 2000):found.start() + 4000]


def reboot(host: Board, face: str, times: int) -> None:
    """The guest's first process resets it as soon as it is there."""
    with start(host, face, "rig.do=reboot") as vm:
        for _ in range(times):
            vm.boots()
        host.check(f"kill -TERM {vm.pid()}")
        vm.ends(7, seconds=60)
    no_disaster(vm)


def reset_in_flight(host: Board, face: str, times: int) -> None:
    """Every other time the host's BPMP takes its time, so that requests are surely under way."""
    with start(host, face) as vm:
        for n in range(times):
            vm.up()
            vm.guest(f"dmesg -n 5; insmod /modules/rig_mrq.ko; echo {REQUEST} >{mrq.FILE}")
            if n % 2:
                host.check(f"echo every hang=1000 mrq={mrq.MRQ_CLK} >{state.BPMP}/fault")
            vm.console.sendline(STORM)
            try:
                vm.console.wait_for("Resetting|Booting Linux", 60)
            finally:
                host.check(f"echo off >{state.BPMP}/fault")
        vm.up()
        answer = mrq.request(vm, mrq.MRQ_CLK, mrq.CLK_GET_RATE | 43, 0, 0, 0)
        assert (answer.error, answer.ret, answer.words[0]) == (0, 0, 24000000)
        vm.ends(0, "poweroff -f")
    no_disaster(vm)


@faces(FAST)
@on(A)
def test_reboots_in_a_row(host: Board, face: str) -> None:
    reboot(host, face, 3)


@pytest.mark.long
@pytest.mark.deadline(7200)
@faces(*MAILBOX)
@on(A)
def test_200_reboots_in_a_row(host: Board, face: str) -> None:
    reboot(host, face, 200)


@faces(*MAILBOX)
@on(A)
def test_resets_with_requests_in_flight(host: Board, face: str) -> None:
    reset_in_flight(host, face, 1)


@pytest.mark.long
@pytest.mark.deadline(3600)
@faces(*MAILBOX)
@on(A)
def test_50_resets_with_requests_in_flight(host: Board, face: str) -> None:
    reset_in_flight(host, face, 50)
