# SPDX-License-Identifier: Apache-2.0
"""Guests without an operating system (../bare): one scribbles over all that it shares with its
BPMP, one asks before it can be told."""

from __future__ import annotations

import random
import re
import time

import pytest

import state
import uart
from board import Board
from bpmp_faces import MAILBOX, PROXY, faces
from kinds import A, on
from vm import Vm

FILES = "--kernel /guest/bare"
# Of the UART that the guest has, with the clocks above it; -1: a request about no id.
OWN = {"clk": {43, 44, 45, -1}, "reset": {180, -1}, "pg": {-1}}
OWN_STATE = {("clock", 43), ("clock", 44), ("clock", 45), ("reset", 180)}
# Beneath these the guest was stopped by something; how many more there are is the machine's affair.
ROUNDS = 1024


def start(host: Board, face: str, words: str, cpus: int = 2) -> Vm:
    return Vm(host, f"--cpus {cpus} --passthrough {uart.UART_A.passthrough} {face}", words=words,
              console="none", files=FILES)


def stop(vm: Vm) -> None:
    vm.host.check(f"kill -TERM {vm.pid()}")
    vm.ends(7, seconds=60)


def no_foreign_id(host: Board) -> None:
    """In the log of the host's BPMP, which is emptied, as it keeps so many lines only."""
    for request in state.bpmp_log(host):
        kind = request.name.split(".")[0]
        assert request.id in OWN.get(kind, {-1}), request
    host.check(f"echo 1 >{state.BPMP}/log_clear")


def scribble(host: Board, face: str, seconds: float) -> None:
    """For so long, and until both CPUs have done their rounds."""
    seed = random.SystemRandom().getrandbits(64)
    before = state.bpmp_state(host)
    host.wire.drain(0.1)
    with start(host, face, f"do=scribble seed={seed:x}") as vm:
        host.wire.wait_for(f"bare: up, seed {seed:#x}", 90)
        end = time.monotonic() + seconds
        rounds = (0, 0)
        while time.monotonic() < end or min(rounds) < ROUNDS:
            host.wire.wait_for(r"bare: (\d+) and (\d+) rounds", 120)
            rounds = int(host.wire.match[1]), int(host.wire.match[2])
            no_foreign_id(host)
            roles = {process.role.split("-")[0] for process in state.processes(host)}
            assert roles >= {"machine", "bpmp"}, roles
        stop(vm)
    no_foreign_id(host)
    after = state.bpmp_state(host)
    changed = {key for key in before if before[key] != after[key]}
    assert changed <= OWN_STATE, {key: (before[key], after[key]) for key in changed}
    print(f"seed {seed:#x}: {rounds[0]} and {rounds[1]} rounds")


@faces(*MAILBOX, *PROXY)
@on(A)
def test_scribbling_guest(host: Board, face: str) -> None:
    scribble(host, face, 8)


@pytest.mark.long
@pytest.mark.deadline(900)
@faces(*MAILBOX, *PROXY)
@on(A)
def test_scribbling_guest_for_five_minutes(host: Board, face: str) -> None:
    scribble(host, face, 300)


@faces(*MAILBOX)
@on(A)
def test_an_answer_waits_until_the_guest_lets_the_bpmp_ring(host: Board, face: str) -> None:
    """A kernel whose mailbox has no client yet would oops at the interrupt."""
    host.wire.drain(0.1)
    with start(host, face, "do=early", cpus=1) as vm:
        host.wire.wait_for(r"bare: early enabled pending (\d)\r?\n", 90)
        assert host.wire.match[1] == b"1"
        said = re.findall(r"early (\w+) pending (\d)", host.wire.before.decode())
        assert said == [("handshake", "0"), ("answer", "0")]
        vm.ends(0)
