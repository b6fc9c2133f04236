# SPDX-License-Identifier: Apache-2.0
"""The BPMP's window for patched guests, used by a program in an unpatched one.

The program makes the accesses that the patched driver makes: 192 stores of 8 bytes, 192 loads. The
host's lists allow clock 156 and reset 101, too: what keeps a guest from them is the VM's policy.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

import state
from board import Board
from kinds import A, B, on
from vm import Vm

BASE = 0x090D0000
OLD_BASE = 0x090C0000
IDS = "clocks=155,resets=100"

MRQ_PING, MRQ_RESET, MRQ_CLK, MRQ_PG, MRQ_DEBUG = 0, 20, 22, 66, 75
GET_MAX_CLK_ID, GET_ALL_INFO = 15 << 24, 14 << 24
SET_RATE, ENABLE, DISABLE = 2 << 24, 7 << 24, 8 << 24
FAILED = -5

faces = pytest.mark.parametrize("path", ["fast", "trap"])


def start(host: Board, path: str, extra: str = "", cpus: int = 1) -> Vm:
    trap = ",trap" if path == "trap" else ""
    return Vm(host, f"--cpus {cpus} --bpmp proxy,{IDS}{trap}{extra}")


class Answer(NamedTuple):
    ret: int
    size: int
    words: list[int]


def transfer(vm: Vm, mrq: int, room: int, *words: int, base: int = BASE,
             seconds: float = 20) -> Answer:
    text = " ".join(f"{word:#x}" for word in words)
    output = vm.guest(f"rig-window {base:#x} transfer {mrq} {room} {text}", seconds)
    ret, size, *rest = output.split()
    return Answer(int(ret), int(size), [int(word, 0) for word in rest])


def clk(vm: Vm, command: int, ident: int, room: int = 0, seconds: float = 20) -> Answer:
    return transfer(vm, MRQ_CLK, room, command | ident, 0, 0, 0, seconds=seconds)


def asked(host: Board) -> list[tuple[str, int]]:
    """What reached the host's BPMP and changes something there."""
    return [(line.name, line.id) for line in state.bpmp_log(host)
            if line.name in ("clk.enable", "clk.disable", "clk.set_rate", "clk.set_parent",
                             "reset.assert", "reset.deassert", "reset.module", "pg.set_state")]


def exits(host: Board) -> int:
    return state.kvm_counters(host)["mmio_exit_user"]


def exits_of(host: Board, vm: Vm, command: str) -> int:
    """Exits to user space that a command causes in the guest, less those of an idle one."""
    vm.guest("true")
    before = exits(host)
    vm.guest("true")
    between = exits(host)
    vm.guest(command, 120)
    return exits(host) - between - (between - before)


@on(A, B)
@faces
def test_what_patched_guests_do(host: Board, path: str) -> None:
    """Every vector of the deployed guests, then what a boot's worth of requests costs."""
    before = state.bpmp_state(host)
    with start(host, path) as vm:
        vm.up()
        node = "/proc/device-tree/bpmp"
        assert vm.guest(f"hexdump -v -e '1/1 \"%02x\"' {node}/virtual-pa") == f"{BASE:016x}"
        assert vm.guest(f"tr '\\0' ' ' <{node}/compatible") == \
            "nvidia,tegra234-bpmp nvidia,tegra186-bpmp "
        assert vm.guest("tr '\\0' ' ' </proc/device-tree/__symbols__/bpmp") == "/bpmp "

        assert transfer(vm, MRQ_PING, 4, 1) == (0, 4, [2])
        assert transfer(vm, MRQ_CLK, 4, GET_MAX_CLK_ID, 0, 0, 0) == (0, 4, [155])
        info = clk(vm, GET_ALL_INFO, 155, 120)
        assert (info.ret, info.size) == (0, 113)
        assert clk(vm, ENABLE, 155) == (0, 0, [])
        assert transfer(vm, MRQ_RESET, 0, 2, 100) == (0, 0, [])
        # The published recipe for a guest's shell: 64-bit, then 8-bit accesses.
        vm.guest(f"devmem {BASE:#x} 64 0x0000006400000001; devmem {BASE + 0x400:#x} 8 8; "
                 f"devmem {BASE + 0x500:#x} 8 0x14")
        assert int(vm.guest(f"devmem {BASE + 0x410:#x} 32"), 0) == 0
        owned = [("clk.enable", 155), ("reset.deassert", 100), ("reset.assert", 100)]
        assert [entry for entry in asked(host) if entry in owned] == owned

        # Not this VM's, too long, not understood: refused, and nothing of it reaches the host.
        host.check(f"echo 1 >{state.BPMP}/log_clear")
        for answer in (clk(vm, ENABLE, 156), clk(vm, SET_RATE, 102), clk(vm, DISABLE, 31),
                       transfer(vm, MRQ_RESET, 0, 1, 101), transfer(vm, MRQ_PG, 0, 1, 18, 1),
                       transfer(vm, MRQ_RESET, 0, 1, 100, 0), transfer(vm, MRQ_DEBUG, 120, 1),
                       transfer(vm, MRQ_RESET, 0, 1, 100, *[0] * 62)):
            assert answer == (FAILED, 0, [])
        assert clk(vm, DISABLE, 102).ret in (0, FAILED)  # an ancestor: goes no further
        assert asked(host) == []

        # Beyond the window.
        beyond = f"devmem {BASE + 0x600:#x} 64"
        assert int(vm.guest(f"{beyond} 0x55; {beyond}"), 0) == 0
        assert int(vm.guest(f"devmem {BASE + 0xff8:#x} 64"), 0) == 0

        fast = path == "fast" and not vm.traps
        count = 100 if fast else 20
        per_request = exits_of(host, vm, f"rig-window {BASE:#x} ping {count}") / count
        print(f"{path}: {per_request:.2f} exits to user space per request")
        if fast:
            assert per_request <= 2.0
        else:
            assert per_request >= 384
        vm.ends(0, "poweroff -f")
    after = state.bpmp_state(host)
    for key in (("clock", 155), ("reset", 100), ("clock", 156), ("reset", 101)):
        assert after[key] == before[key], key


@on(A)
@faces
def test_hostile_guest_on_two_cpus(host: Board, path: str) -> None:
    """Accesses of any width, place and order, from both vCPUs: nothing of another's is touched, and
    the window still works, also for the next guest."""
    before = state.bpmp_state(host)
    count = 3000 if path == "fast" else 600
    with start(host, path, f",base={OLD_BASE:#x}", cpus=2) as vm:
        vm.up()
        assert vm.guest(f"rig-window {OLD_BASE:#x} hostile {count} 1", 120) == "2 CPUs"
        assert transfer(vm, MRQ_PING, 4, 21, base=OLD_BASE) == (0, 4, [42])
        for kind in ("load-pair", "store-pair", "zero"):
            for place in (0, 0x500):
                seen = vm.guest(f"rig-access {kind} {OLD_BASE + place:#x}")
                assert seen == "external abort" or (path, kind) == ("fast", "load-pair"), seen
        vm.console.sendline("reboot -f")
        vm.up()
        assert int(vm.guest(f"devmem {OLD_BASE + 0x200:#x} 64"), 0) == 0, "as at power-on"
        assert vm.guest(f"rig-window {OLD_BASE:#x} ping 5") == "5 pings"
        vm.ends(0, "poweroff -f")
    log = {entry.id for entry in state.bpmp_log(host) if entry.name.startswith("clk.")}
    assert log <= {155, 102, 91, 14}, "the guest's clock and its ancestors"
    resets = {entry.id for entry in state.bpmp_log(host) if entry.name.startswith("reset.")}
    assert resets <= {100}
    after = state.bpmp_state(host)
    # Ancestors stay enabled, and an owned reset may have been pulsed.
    for key in set(before) - {("clock", 102), ("clock", 91), ("clock", 14), ("reset", 100)}:
        assert after[key] == before[key], key


@on(B)
@pytest.mark.parametrize("path", ["fast", pytest.param("trap", marks=pytest.mark.long)])
def test_host_that_hangs(host: Board, path: str) -> None:
    """A guest gets an error after 10 s, at once as long as the host hangs, and its answers again
    when the host is back. The VM can be stopped while a request waits."""
    with start(host, path) as vm:
        vm.up()
        host.check(f"echo every hang=300000 mrq=22 >{state.BPMP}/fault")
        assert clk(vm, ENABLE, 155, seconds=60) == (FAILED, 0, [])
        assert transfer(vm, MRQ_PING, 4, 1) == (FAILED, 0, []), "the worker waits for the host"
        host.check(f"echo off >{state.BPMP}/fault; sleep 1")
        assert transfer(vm, MRQ_PING, 4, 1) == (0, 4, [2])

        host.check(f"echo every hang=300000 mrq=22 >{state.BPMP}/fault")
        vm.console.sendline(f"rig-window {BASE:#x} transfer {MRQ_CLK} 0 {DISABLE | 155:#x} 0 0 0")
        host.run("sleep 1")
        host.check(f"kill -TERM {vm.pid()}")
        # Leaving takes 1 s, the worker gets 10 s to put things back.
        assert vm.session.wait(60) == 7
        log = vm.log()
        assert "got no answer from the host's BPMP in time" in log
        assert "puts back what the guest changed when it does" in log
    assert sorted(process.role for process in state.processes(host)) == ["bpmp-proxy", "guard"]
    host.check(f"echo off >{state.BPMP}/fault")
    for _ in range(20):
        if not state.processes(host):
            break
        host.run("sleep 1")
    assert state.leftovers(host) == []


@on(A)
def test_worker_that_dies(host: Board) -> None:
    with start(host, "fast") as vm:
        vm.up()
        host.check(f"kill -KILL {state.worker(host, 'bpmp-proxy')}")
        log = vm.ends(6)
        assert re.search(r"bpmp failed: killed by signal 9", log), log
