# SPDX-License-Identifier: Apache-2.0
"""Unmodified kernels and the BPMP that they are given: what they see, and what the host's BPMP
sees of them."""

from __future__ import annotations

import re
from typing import NamedTuple

import state
import uart
from board import Board
from bpmp_faces import MAILBOX, faces
from kinds import A, B, B_OTHER_GUESTS, on
from vm import Vm

# In the guest's log, whatever its subject. Level 4 and below of these subjects: see complaints().
DISASTER = re.compile(r"WARNING:|BUG:|Oops|Call trace|cut here|rcu: INFO|blocked for more than")
SUBJECTS = re.compile(r"bpmp|hsp|mbox|mailbox|tegra|clk|clock|reset|genpd|ivc|sram", re.IGNORECASE)
# The host keeps these running for itself: a foreign clock, and two that it shares with the guest.
HOSTS_OWN = {"a": (156, 91, 45), "b": (156, 102, 91)}


class Given(NamedTuple):
    """What the UART's node names, and the clocks that feed these as the host has set them."""

    clocks: set[int]
    ancestors: set[int]
    resets: set[int]


GIVEN = {"a": Given({43, 44}, {45}, {180}), "b": Given({155}, {102, 91}, {100})}


def complaints(dmesg: str) -> list[str]:
    """Warnings and worse about the BPMP and what hangs on it, and anything that is a disaster. The
    lines are those of `dmesg -r`."""
    found = []
    for line in dmesg.splitlines():
        match = re.match(r"<(\d+)>(.*)", line)
        if match and (DISASTER.search(match[2]) or
                      int(match[1]) & 7 <= 4 and SUBJECTS.search(match[2])):
            found.append(match[2])
    return found


def clock_names(host: Board, ids: set[int]) -> set[str]:
    lines = [line.split() for line in host.file(f"{state.BPMP}/state").splitlines()]
    return {name for kind, ident, name, *_ in lines if kind == "clock" and int(ident) in ids}


def changes(host: Board) -> list[state.Request]:
    """What VMs asked of the host's BPMP that changes anything."""
    verb = re.compile(r"\.(enable|disable|set_\w+|assert|deassert|module)$")
    return [request for request in state.bpmp_log(host)
            if request.node != "host" and verb.search(request.name)]


def only_its_own(host: Board, given: Given, before: dict[tuple[str, int], dict[str, int]]) -> None:
    """Changes are about what the guest was given; ancestors are enabled at most, and as enabled,
    as fast and as connected as the host had them."""
    for request in changes(host):
        kind, verb = request.name.split(".")
        allowed = {"clk": given.clocks, "reset": given.resets}.get(kind, set())
        if verb == "enable":
            allowed = allowed | given.ancestors
        assert request.id in allowed, request
    own = {("clock", ident) for ident in given.clocks} | {("reset", ident) for ident in given.resets}
    shared = {("clock", ident) for ident in given.ancestors}
    for key, now in state.bpmp_state(host).items():
        if key in shared:
            assert now["count"] >= before[key]["count"], (key, before[key], now)
            now = {**now, "count": before[key]["count"]}
        assert key in own or now == before[key], (key, before[key], now)


def rates_and_reset(vm: Vm, tty: str) -> None:
    """Speeds of the line arrive as rates, and opening the port as a reset."""
    for speed in (9600, 57600, 115200):
        vm.guest(f"stty -F {tty} {speed}")
        rate = state.bpmp_state(vm.host)["clock", 155]["rate"]
        assert abs(rate - 16 * speed) < 16 * speed * 0.02, (speed, rate)
    assert [(request.name, request.id) for request in changes(vm.host)
            if request.name.startswith("reset.")][:2] == [("reset.assert", 100),
                                                          ("reset.deassert", 100)]
    assert state.bpmp_state(vm.host)["reset", 100]["asserted"] == 0


@faces(*MAILBOX)
@on(A, B, long=B_OTHER_GUESTS)
def test_unmodified_guest(host: Board, face: str) -> None:
    """One boot, without clk_ignore_unused and pd_ignore_unused: the kernel turns off all clocks and
    domains that it sees and does not use, so it must see none that is not its own."""
    given = GIVEN[host.kind.board]
    for ident in HOSTS_OWN[host.kind.board]:
        host.check(f"echo {ident} >{state.BPMP}/host_enable")
    before = state.bpmp_state(host)
    bpmp = (face or "--bpmp auto") + ",ignore-unused=off"
    with Vm(host, f"--passthrough {uart.uart_of(host.kind).passthrough} {bpmp}") as vm:
        vm.up()
        assert "_unused" not in vm.guest("cat /proc/cmdline")
        dmesg = vm.guest("dmesg -r")
        assert complaints(dmesg) == []
        assert "bpmp: firmware:" in dmesg and "Not disabling unused" not in dmesg
        # A line that begins further right names one more consumer of the clock above it.
        seen = vm.guest("sed 1,3d /sys/kernel/debug/clk/clk_summary | grep -E '^ {1,30}[^ ]' | "
                        "awk '{ print $1 }'").split()
        # Besides, the fixed clock that the machine's own PL031 and PL061 are described with.
        assert set(seen) == clock_names(host, given.clocks | given.ancestors) | {"machine-clock"}
        only_its_own(host, given, before)
        tty = uart.open_tty(vm)
        if host.kind.board == "b":
            rates_and_reset(vm, tty)
        uart.from_guest(vm, tty, 4096)
        uart.to_guest(vm, tty, 4096)
        assert complaints(vm.guest("dmesg -r")) == []
        vm.ends(0, "poweroff -f")
    only_its_own(host, given, before)
