# SPDX-License-Identifier: Apache-2.0
"""A guest drives the UART that it was given: board B's 16550, board A's second PL011."""

from __future__ import annotations

import re

import pytest

import guest_bpmp as mrq
import state
import uart
from board import Board
from kinds import A, A_4CPUS, A_GICV2, A_NOIOMMU, B, on
from vm import Vm

RAM = 0x40000000
EVERYWHERE = on(A, A_GICV2, B, long=(A_4CPUS,))
# What the UART's own node names, and the clocks above them, which may be enabled and read: PLLP_OUT0
# (102) too, which board B's names, but which feeds half of the chip.
IDS = {
    "b": {"clk": {155}, "reset": {100}, "parents": {102, 91}},
    "a": {"clk": {43, 44}, "reset": {180}, "parents": {45}},
}
CHANGES = {"clk.enable", "clk.disable", "clk.set_rate", "clk.set_parent", "reset.assert",
           "reset.deassert", "reset.module", "pg.set_state"}


def start(host: Board, options: str = "") -> Vm:
    cpus = f"--cpus {host.kind.cpus}" if host.kind.board == "a" else ""
    return Vm(host, f"{cpus} --passthrough {uart.uart_of(host.kind).passthrough} {options}")


@EVERYWHERE
def test_bytes_both_ways(host: Board) -> None:
    with start(host) as vm:
        vm.up()
        tty = uart.open_tty(vm)
        vm.guest(f"echo 123 >{tty}")
        host.wire.wait_for("123", 10)
        uart.from_guest(vm, tty)
        uart.to_guest(vm, tty)
        vm.ends(0, "poweroff -f")


@on(B)
def test_guest_takes_its_clock_from_its_bpmp(host: Board) -> None:
    with start(host) as vm:
        vm.up()
        log = vm.guest("dmesg")
        assert "bpmp: firmware:" in log
        assert "ttyTHS" in log
        clock = "/sys/kernel/debug/clk/uarta/clk_rate"
        assert int(vm.guest(f"cat {clock}")) > 0
        tty = uart.open_tty(vm)
        # 16 samples a bit: the driver asks for 16 times the rate of the line.
        assert abs(int(vm.guest(f"cat {clock}")) - 16 * 115200) < 16 * 115200 * 0.05
        assert state.bpmp_state(host)["clock", 155]["count"] > 0
        assert state.bpmp_state(host)["reset", 100]["asserted"] == 0
        vm.guest(f"exec 5>&-; stty -F {tty} 9600")
        vm.ends(0, "poweroff -f")


@on(B)
def test_requests_are_exactly_those_expected(host: Board) -> None:
    """What reaches the host's BPMP and changes anything, from the guest's boot to its end."""
    with start(host) as vm:
        vm.up()
        uart.open_tty(vm)
        vm.ends(0, "poweroff -f")
    changes = [(request.name, request.id, request.arg) for request in state.bpmp_log(host)
               if request.name in CHANGES]
    assert changes == [
        ("clk.enable", 91, 0), ("clk.enable", 102, 0), ("clk.enable", 155, 0),
        ("reset.assert", 100, 0), ("reset.deassert", 100, 0),
        # The port opens at 115200, as a terminal it is at 9600, stty sets 115200: 16 times these.
        ("clk.set_rate", 155, 1841986), ("clk.set_rate", 155, 153585),
        ("clk.set_rate", 155, 1841986),
        # The end of the VM.
        ("reset.assert", 100, 0), ("clk.set_rate", 155, 408000000), ("clk.disable", 155, 0),
    ]


@EVERYWHERE
def test_only_its_own_ids_are_touched(host: Board) -> None:
    """The log of the host's BPMP: enables, rates and resets of the UART's ids and no others."""
    ids = IDS[host.kind.board]
    before = state.bpmp_state(host)
    with start(host) as vm:
        vm.up()
        uart.open_tty(vm)
        vm.ends(0, "poweroff -f")
    log = state.bpmp_log(host)
    assert [request for request in log if request.result.startswith("errno")] == []
    for request in log:
        kind = request.name.split(".")[0]
        if request.name in CHANGES:
            allowed = set(ids.get(kind, set()))
            if request.name == "clk.enable":
                allowed |= ids["parents"]
            assert request.id in allowed, request
    assert any(request.name == "clk.enable" for request in log)
    after = state.bpmp_state(host)
    changed = {key for key in before if before[key] != after[key]}
    # An ancestor stays enabled, as somebody else may rely on it by then.
    own = {("clock", ident) for ident in ids["clk"]} | {("reset", ident) for ident in ids["reset"]}
    parents = {("clock", ident) for ident in ids["parents"]}
    assert not changed & own, {key: (before[key], after[key]) for key in changed & own}
    assert changed <= own | parents, changed


@on(B)
def test_a_foreign_clock_is_refused_and_counted(host: Board) -> None:
    """The guest asks for the memory's clock, which the host's allow-list would grant."""
    with start(host) as vm:
        vm.up()
        for _ in range(3):
            answer = mrq.request(vm, mrq.MRQ_CLK, mrq.CLK_ENABLE | 31)
            assert (answer.error, answer.ret) == (0, mrq.BPMP_EACCES)
            answer = mrq.request(vm, mrq.MRQ_RESET, mrq.RESET_ASSERT, 24)
            assert (answer.error, answer.ret) == (0, mrq.BPMP_EACCES)
        assert not [request for request in state.bpmp_log(host) if request.id in (31, 24)]
        log = vm.ends(0, "poweroff -f")
    refusals = [line for line in log.splitlines() if re.search(r"refus.*\b(31|24)\b", line)]
    assert len(refusals) == 2, f"one line for each kind:\n{log}"
    assert "; 6 of the guest's were refused so far" in log, f"they are counted:\n{log}"


@on(A, B)
def test_mappings_equal_guest_ram(host: Board) -> None:
    with start(host) as vm:
        vm.up()
        assert state.mappings(host) == [(RAM, 256 << 20)]
        vm.ends(0, "poweroff -f")
        assert state.mappings(host) == []


@on(A, B)
def test_reboots_keep_the_uart(host: Board) -> None:
    with start(host) as vm:
        for _ in range(3):
            vm.up()
            tty = uart.open_tty(vm)
            uart.from_guest(vm, tty, 4096)
            uart.to_guest(vm, tty, 4096)
            vm.console.sendline("reboot -f")
        vm.up()
        assert state.mappings(host) == [(RAM, 256 << 20)]
        vm.ends(0, "poweroff -f")


@on(A, B)
def test_killed_bpmp_worker(host: Board) -> None:
    with start(host) as vm:
        vm.up()
        host.check(f"kill -KILL {state.worker(host, 'bpmp')}")
        log = vm.ends(6)
        assert "bpmp failed: killed by signal 9" in log


@on(A, B)
def test_killed_machine_leaves_nothing(host: Board) -> None:
    with start(host) as vm:
        vm.up()
        uart.open_tty(vm)
        host.check(f"kill -KILL {vm.pid()}")
        vm.session.wait(10)
        host.idle(2)
        assert state.leftovers(host) == []


@pytest.mark.parametrize("how", ["power off", "SIGTERM", "failure"])
@on(B)
def test_own_clocks_and_resets_are_put_back(host: Board, how: str) -> None:
    before = state.bpmp_state(host)
    with start(host) as vm:
        vm.up()
        uart.open_tty(vm)
        assert state.bpmp_state(host)["clock", 155] != before["clock", 155]
        if how == "power off":
            vm.ends(0, "poweroff -f")
        elif how == "SIGTERM":
            host.check(f"kill -TERM {vm.pid()}")
            vm.ends(7)
        else:
            host.check(f"kill -KILL {state.worker(host, 'console')}")
            vm.ends(6)
    after = state.bpmp_state(host)
    for key in (("clock", 155), ("reset", 100)):
        assert after[key] == before[key], key


@on(B)
def test_fixed_clock_without_a_bpmp(host: Board) -> None:
    """--bpmp off: the guest's node has no clocks of a BPMP, and the host's is left alone."""
    with start(host, "--bpmp off") as vm:
        vm.up()
        assert "tegra-bpmp" not in vm.guest("ls /sys/bus/platform/devices")
        vm.ends(0, "poweroff -f")
    assert state.bpmp_log(host) == []


@on(A_NOIOMMU)
def test_without_an_iommu_only_when_asked_for(host: Board) -> None:
    """The UART does no DMA, so it works; the log warns of what such a device could do."""
    with start(host) as vm:
        log = vm.ends(3, seconds=20)
        assert "unsafe-noiommu" in log
    passthrough = f"{uart.UART_A.passthrough},unsafe-noiommu"
    with Vm(host, f"--passthrough {passthrough}") as vm:
        vm.up()
        uart.from_guest(vm, uart.open_tty(vm), 4096)
        log = vm.ends(0, "poweroff -f")
        assert "warning" in log and "IOMMU" in log
