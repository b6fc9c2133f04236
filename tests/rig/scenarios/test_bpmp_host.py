# SPDX-License-Identifier: Apache-2.0
"""A host's BPMP that denies or hangs: the VM ends in time, and what can be put back is."""

from __future__ import annotations

import pytest

import state
import uart
from board import Board
from kinds import B, on
from vm import Vm

HANG = "every hang=120000"


def fault(host: Board, text: str) -> None:
    host.check(f"echo {text} >{state.BPMP}/fault")


def start(host: Board) -> Vm:
    return Vm(host, f"--passthrough {uart.uart_of(host.kind).passthrough}")


def gone(host: Board) -> None:
    """The worker was left behind in the host's call; it must end by itself when that returns, and
    its guard after it."""
    assert sorted(process.role for process in state.processes(host)) == ["bpmp", "guard"]
    fault(host, "off")
    for _ in range(10):
        if not state.processes(host):
            return
        host.run("sleep 1")
    raise AssertionError(f"left behind: {state.processes(host)}")


@on(B)
def test_host_that_denies_the_clocks(host: Board) -> None:
    fault(host, "every errno=1 mrq=22")
    with start(host) as vm:
        log = vm.ends(3, seconds=20)
    assert "to allowed-clocks" in log


@on(B)
def test_host_that_hangs_at_start(host: Board) -> None:
    fault(host, HANG)
    with start(host) as vm:
        assert vm.session.wait(30) == 3
        log = vm.log()
    gone(host)
    assert "does not answer within 10 s" in log and "--bpmp off" in log


@pytest.mark.parametrize(("how", "status"), [("SIGTERM", 7), ("reboot", 6)])
@on(B)
def test_host_that_hangs_when_all_is_to_be_put_back(host: Board, how: str, status: int) -> None:
    before = state.bpmp_state(host)
    with start(host) as vm:
        vm.up()
        uart.open_tty(vm)
        assert state.bpmp_state(host)["clock", 155] != before["clock", 155]
        fault(host, HANG)
        if how == "SIGTERM":
            host.check(f"kill -TERM {vm.pid()}")
        else:
            vm.console.sendline("reboot -f")
        assert vm.session.wait(40) == status
        assert "the host's BPMP does not answer" in vm.log()
    gone(host)
    after = state.bpmp_state(host)
    for key in (("clock", 155), ("reset", 100)):
        assert after[key] == before[key], key


@on(B)
def test_machine_that_vanishes(host: Board) -> None:
    """The worker outlives the machine for as long as it takes to put things back."""
    before = state.bpmp_state(host)
    with start(host) as vm:
        vm.up()
        uart.open_tty(vm)
        host.check(f"kill -KILL {vm.pid()}")
        vm.session.wait(10)
        host.run("sleep 2")
    assert state.leftovers(host) == []
    after = state.bpmp_state(host)
    for key in (("clock", 155), ("reset", 100)):
        assert after[key] == before[key], key
