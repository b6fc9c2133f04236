# SPDX-License-Identifier: Apache-2.0
"""However a VM ends, the host's BPMP is as it was: owned ids as found, ancestors left enabled."""

from __future__ import annotations

import re
import time

import pytest

import guest_bpmp as mrq
import state
import test_bpmp_proxy as window
import uart
from board import Board
from kinds import B, on
from vm import FILES, Vm

NAME = "restored"
OWN = {("clock", 155), ("reset", 100), ("power-domain", 18)}
ANCESTORS = {("clock", ident) for ident in (14, 91, 102)}
CLK_SET_PARENT = 5 << 24
PG_SET_STATE = 1
EVERYTHING = "--bpmp auto,clocks=14,power-domains=18"
SERVED = r"put back what the guest changed at the host's BPMP: [1-9]\d* requests, 0 failed"
GUARDED = r"bpmp-vmm\[guard\]: put back: [1-9]\d* requests, 0 failed"


def start(host: Board, options: str = "") -> Vm:
    passthrough = uart.uart_of(host.kind).passthrough
    return Vm(host, f"--name {NAME} --passthrough {passthrough} {EVERYTHING} {options}")


def use_everything(vm: Vm, before: dict) -> None:
    """Clock, reset, parent, rate and power domain differ from what was found."""
    vm.up()
    uart.open_tty(vm)
    for request in ((mrq.MRQ_PG, PG_SET_STATE, 18, 1), (mrq.MRQ_CLK, CLK_SET_PARENT | 155, 14)):
        assert mrq.request(vm, *request)[:2] == (0, 0), request
    now = state.bpmp_state(vm.host)
    assert all(now[key] != before[key] for key in OWN), now
    assert now["clock", 155]["parent"] == 14 and now["reset", 100]["asserted"] == 0


def roles(host: Board) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for process in state.processes(host):
        found.setdefault(process.role, []).append(process.pid)
    return found


def kill(host: Board, *which: str) -> None:
    """All at once: none of them sees another one die."""
    pids = " ".join(str(pid) for role in which for pid in roles(host)[role])
    host.check(f"kill -STOP {pids}; kill -KILL {pids}")


def gone(host: Board, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while state.leftovers(host):
        assert time.monotonic() < deadline, state.leftovers(host)
        host.idle(0.2)


def as_before(host: Board, before: dict, taken: dict[int, int] | None = None) -> None:
    """`taken`: clocks that the host itself enabled meanwhile, and how often."""
    taken = taken or {}
    after = state.bpmp_state(host)
    for key, was in before.items():
        now = dict(after[key])
        if key[0] == "clock" and key[1] in taken:
            now["count"] -= taken[key[1]]
            now["host"] -= taken[key[1]]
        if key in ANCESTORS:
            assert now["count"] >= was["count"], (key, was, now)
            now["count"] = was["count"]
        assert now == was, (key, was, now)
    assert after["clock", 102]["count"] > before["clock", 102]["count"], "an ancestor stays on"


@pytest.mark.parametrize("how", ["power off", "reset", "SIGTERM", "machine", "worker", "both",
                                 "guard", "console"])
@on(B)
def test_own_ids_are_as_before(host: Board, how: str) -> None:
    """For each end of a VM; in between the host takes an ancestor, which it keeps."""
    before = state.bpmp_state(host)
    with start(host, "--on-reset exit") as vm:
        use_everything(vm, before)
        host.check(f"echo 102 >{state.BPMP}/host_enable")
        if how == "power off":
            log = vm.ends(0, "poweroff -f")
        elif how == "reset":
            log = vm.ends(4, "reboot -f")
        elif how == "SIGTERM":
            host.check(f"kill -TERM {vm.pid()}")
            log = vm.ends(7)
        elif how in ("guard", "console"):
            kill(host, how)
            log = vm.ends(6)
            assert f"{how} failed: killed by signal 9" in log
        elif how == "worker":
            kill(host, "bpmp")
            log = vm.ends(6)
            assert "bpmp failed: killed by signal 9" in log
        else:
            kill(host, "machine", *(["bpmp"] if how == "both" else []))
            vm.session.wait(20)
            gone(host)
            log = vm.log()
    as_before(host, before, {102: 1})
    guarded = how in ("worker", "both")
    assert bool(re.search(GUARDED, log)) == guarded, log
    assert bool(re.search(SERVED, log)) == (not guarded), log
    assert re.search(r"left enabled at the host, .*: clocks.* 102\b", log), log


@on(B)
def test_a_guest_that_resets_and_the_next_one(host: Board) -> None:
    """What the first guest changed is undone before the second one, which the machine does not
    survive, starts."""
    before = state.bpmp_state(host)
    with start(host) as vm:
        use_everything(vm, before)
        host.check(f"echo 1 >{state.BPMP}/log_clear")
        vm.console.sendline("reboot -f")
        vm.up()
        changes = [(request.name, request.id) for request in state.bpmp_log(host)
                   if request.name in ("reset.assert", "clk.set_parent", "clk.set_rate",
                                       "clk.disable", "pg.set_state")]
        assert changes[:5] == [("reset.assert", 100), ("clk.set_parent", 155),
                               ("clk.set_rate", 155), ("clk.disable", 155),
                               ("pg.set_state", 18)], changes
        kill(host, "machine", "bpmp")
        vm.session.wait(20)
        gone(host)
    as_before(host, before)


@pytest.mark.parametrize("mend", ["restore", "start"])
@on(B)
def test_a_kill_of_all_is_mended_by_restore_and_by_the_next_start(host: Board, mend: str) -> None:
    before = state.bpmp_state(host)
    with start(host) as vm:
        use_everything(vm, before)
        kill(host, "machine", "bpmp", "guard")
        vm.session.wait(20)
        gone(host)
    changed = state.bpmp_state(host)
    assert all(changed[key] != before[key] for key in OWN), changed
    if mend == "restore":
        status, text = host.run(f"bpmp-vmm restore {NAME}")
        assert status == 0, text
    else:
        with start(host) as vm:
            vm.console.wait_for(r"Booting Linux|guest: up", 90)
            host.check(f"kill -TERM {vm.pid()}")
            text = vm.ends(7)
    assert f"putting back what the last VM of the name {NAME} left changed" in text
    assert re.search(GUARDED, text), text
    as_before(host, before)
    status, text = host.run(f"bpmp-vmm restore {NAME}")
    assert status == 0 and "nothing to put back" in text, text


@pytest.mark.parametrize("killed", ["bpmp-proxy", "machine bpmp-proxy"])
@on(B)
def test_what_a_patched_guest_changed(host: Board, killed: str) -> None:
    """The window's worker keeps a journal too, from which its guard goes on."""
    before = state.bpmp_state(host)
    lists = "clocks=155:14,resets=100,power-domains=18"
    with Vm(host, f"--name {NAME} --bpmp proxy,{lists}") as vm:
        vm.up()
        for answer in (window.clk(vm, window.ENABLE, 155), window.clk(vm, window.ENABLE, 102),
                       window.transfer(vm, mrq.MRQ_CLK, 4, CLK_SET_PARENT | 155, 14, 0, 0),
                       window.transfer(vm, mrq.MRQ_CLK, 8, window.SET_RATE | 155, 0, 153600, 0),
                       window.transfer(vm, window.MRQ_RESET, 0, 2, 100),
                       window.transfer(vm, mrq.MRQ_PG, 0, PG_SET_STATE, 18, 1)):
            assert answer.ret == 0, answer
        now = state.bpmp_state(host)
        assert all(now[key] != before[key] for key in OWN), now
        kill(host, *killed.split())
        vm.session.wait(20)
        gone(host)
        assert re.search(GUARDED, vm.log()), vm.log()
    as_before(host, before)


@on(B)
def test_two_vms_and_one_name(host: Board) -> None:
    """A second VM with ids of its own keeps them when the first one is killed; a third of the
    first one's name is refused while that runs, and so is `restore`."""
    before = state.bpmp_state(host)
    with start(host) as vm:
        use_everything(vm, before)
        status, text = host.run(f"bpmp-vmm {FILES} --name {NAME} --console none --bpmp mailbox")
        assert status == 2 and f"a VM of the name {NAME} is running" in text, text
        status, text = host.run(f"bpmp-vmm restore {NAME}")
        assert status == 3 and f"a VM of the name {NAME} is running" in text, text
        first = roles(host)
        second = Vm(host, "--bpmp mailbox,clocks=156,resets=101", name="second")
        with second:
            second.up()
            for request in ((mrq.MRQ_CLK, mrq.CLK_ENABLE | 156), (mrq.MRQ_RESET, 2, 101)):
                assert mrq.request(second, *request)[:2] == (0, 0), request
            used = state.bpmp_state(host)
            pids = " ".join(str(first[role][0]) for role in ("machine", "bpmp"))
            host.check(f"kill -STOP {pids}; kill -KILL {pids}")
            vm.session.wait(20)
            deadline = time.monotonic() + 60
            while first["guard"][0] in roles(host)["guard"]:
                assert time.monotonic() < deadline, "the first VM's guard stays"
                host.idle(0.2)
            after = state.bpmp_state(host)
            assert all(after[key] == before[key] for key in OWN), after
            for key in (("clock", 156), ("reset", 101)):
                assert after[key] == used[key] != before[key], key
            second.ends(0, "poweroff -f")
    as_before(host, before)


@on(B)
def test_a_worker_that_is_killed_while_the_host_hangs(host: Board) -> None:
    """It dies when the host's BPMP answers; until then the guard does nothing."""
    before = state.bpmp_state(host)
    with start(host) as vm:
        use_everything(vm, before)
        host.check(f"echo every hang=120000 >{state.BPMP}/fault")
        vm.console.sendline("stty -F /dev/ttyTHS0 9600")  # asks for another rate
        host.idle(1)
        kill(host, "machine", "bpmp")
        vm.session.wait(20)
        host.idle(1)
        assert set(roles(host)) == {"bpmp", "guard"}
        assert state.bpmp_state(host)["clock", 155] != before["clock", 155]
        host.check(f"echo off >{state.BPMP}/fault")
        gone(host)
        assert re.search(GUARDED, vm.log()), vm.log()
    as_before(host, before)


@on(B)
def test_a_host_that_refuses_is_tried_again(host: Board) -> None:
    """The guard cannot put things back; the next start does not begin before that was done."""
    before = state.bpmp_state(host)
    with start(host) as vm:
        use_everything(vm, before)
        host.check(f"echo every errno=19 >{state.BPMP}/fault")
        kill(host, "machine", "bpmp")
        vm.session.wait(20)
        gone(host)
        assert "what failed is in the journal" in vm.log()
    with start(host) as vm:
        log = vm.ends(3)
        assert f"bpmp-vmm restore {NAME}" in log, log
    status, text = host.run(f"bpmp-vmm restore {NAME}")
    assert status == 3 and "the host has no BPMP at hand" in text, text
    host.check(f"echo off >{state.BPMP}/fault")
    status, text = host.run(f"bpmp-vmm restore {NAME}")
    assert status == 0, text
    as_before(host, before)


@on(B)
def test_journals_that_are_none(host: Board) -> None:
    """A journal that is damaged, another's or another version's is said, and nothing is started."""
    journal = f"/run/bpmp-vmm/{NAME}.journal"
    make = f"mkdir -p /run/bpmp-vmm; umask 077; head -c 12288 /dev/zero >{journal}; "
    for damage, words in (
            (f"{make} echo torn | dd of={journal} conv=notrunc 2>/dev/null", "no whole journal"),
            (f"umask 077; echo short >{journal}", "no whole journal"),
            (f"chmod 666 {journal}", "this user alone")):
        host.check(damage)
        for command in (f"bpmp-vmm restore {NAME}",
                        f"bpmp-vmm {FILES} --name {NAME} --console none --bpmp mailbox"):
            status, text = host.run(command)
            assert status == 3 and words in text and "remove" in text, text
    assert not [request for request in state.bpmp_log(host) if request.name == "reset.assert"]
    host.check(f"rm {journal}")
    status, text = host.run("bpmp-vmm restore")
    assert status == 2 and "NAME" in text, text
    status, text = host.run("bpmp-vmm restore ../x")
    assert status == 2, text
    status, text = host.run(f"bpmp-vmm restore {NAME}")
    assert status == 0 and "no journal" in text, text
