# SPDX-License-Identifier: Apache-2.0
"""The control socket: what it tells of a VM and does to it, and whom it listens to."""

from __future__ import annotations

import json
import re

import uart
from board import Board
from kinds import A, B, on
from test_bpmp_host import HANG, fault
from vm import Vm

SOCKET = "/tmp/control"
CONTROL = f"--control {SOCKET}"


def status(host: Board) -> dict:
    return json.loads(host.check(f"bpmp-vmm status {CONTROL} --json"))


def refused(host: Board, command: str, says: str, code: int = 1) -> None:
    seen, output = host.run(command)
    assert seen == code and re.search(says, output), (seen, output)


@on(A)
def test_one_vm_through_its_life(host: Board) -> None:
    refused(host, f"bpmp-vmm status {CONTROL}", "no VM is there")
    # What a killed machine left in the file system is in nobody's way.
    with Vm(host, CONTROL) as vm:
        host.check(f"for i in $(seq 100); do [ -S {SOCKET} ] && exit; sleep 0.1; done; exit 1")
        host.check(f"kill -KILL {vm.pid()}")
        vm.session.wait(20)
    refused(host, f"bpmp-vmm status {CONTROL}", "no VM listens there any more")
    with Vm(host, f"--cpus 2 --name one {CONTROL}") as vm:
        vm.up()
        told = status(host)
        assert told["name"] == "one" and told["state"] == "running"
        assert told["vcpus"] == 2 and told["memory_bytes"] == 256 << 20
        assert {"console", "pvpanic"} <= set(told["devices"])
        assert "bpmp" not in told
        for line in ("name      one", "memory    256 MiB"):
            assert line in host.check(f"bpmp-vmm status {CONTROL}")
        assert host.check(f"stat -c %a {SOCKET}") == "600"

        # Who may not open the socket is not heard.
        refused(host, f"su vmm -c 'bpmp-vmm stop {CONTROL}'", "Permission denied")
        # One that lives is not taken away.
        refused(host, f"bpmp-vmm --kernel /guest/Image {CONTROL} --console none",
                "another VM listens there", 3)

        # A paused guest does nothing: not even its clock's interrupts are answered.
        host.check(f"bpmp-vmm pause {CONTROL} && bpmp-vmm pause {CONTROL}")
        assert status(host)["state"] == "paused"
        vm.console.sendline("echo rig-\"\"awake")
        assert b"rig-awake" not in vm.console.drain(0.5)
        refused(host, f"bpmp-vmm powerdown {CONTROL}", "paused")
        host.check(f"bpmp-vmm resume {CONTROL} && bpmp-vmm resume {CONTROL}")
        vm.console.wait_for("rig-awake\r?\n", 20)
        assert status(host)["state"] == "running"

        # Clients that say nothing, or nonsense, or leave in the middle, lock nobody out.
        silent = [host.start(f"rig-relay {SOCKET}", f"silent{i}", terminal=False)
                  for i in range(9)]
        silent[8].sendline('{"command":')
        silent[8].wait_for("it ends too early", 20)
        silent[8].sendline("x" * 5000)
        silent[8].wait_for("longer than any request", 20)
        silent[7].sendline('{"command":"status","all":true}')
        silent[7].wait_for("unknown key", 20)
        assert status(host)["state"] == "running"
        assert vm.guest("echo well") == "well"
        for session in silent:
            session.kill(9)

        assert status(host)["restarts"] == 0
        vm.console.sendline("reboot -f")
        vm.up()
        assert status(host)["restarts"] == 1
        host.check(f"bpmp-vmm stop {CONTROL}")
        log = vm.ends(7)
    assert "stopped through --control" in log and "paused through --control" in log
    refused(host, f"ls {SOCKET}", "No such file")


@on(A)
def test_wrong_commands(host: Board) -> None:
    refused(host, f"bpmp-vmm statu {CONTROL}", "unknown command 'statu'; did you mean 'status'", 2)
    refused(host, "bpmp-vmm stop", "--control SOCKET", 2)
    refused(host, f"bpmp-vmm stop {CONTROL} --json", "'--json' is none", 2)
    refused(host, f"bpmp-vmm status --control /tmp/{'x' * 120}", "too long")
    refused(host, "bpmp-vmm status --control /bin/busybox", "no VM listens there")


@on(B)
def test_bpmp_counts_and_a_host_that_hangs(host: Board) -> None:
    """The worker that waits for the host cannot answer; status says so, and the VM goes on."""
    options = f"--passthrough {uart.uart_of(host.kind).passthrough} {CONTROL}"
    with Vm(host, options) as vm:
        vm.up()
        tty = uart.open_tty(vm)
        bpmp = status(host)["bpmp"]
        rows = {(row.get("kind"), row.get("id")): row for row in bpmp["counts"]}
        assert rows["clock", 155]["requests"] > 0 and rows["clock", 155]["name"]
        assert rows["reset", 100]["requests"] > 0
        assert bpmp["requests"] == sum(row["requests"] for row in bpmp["counts"])
        assert all(row["max_us"] >= row["mean_us"] for row in bpmp["counts"])
        assert "clock            155" in host.check(f"bpmp-vmm status {CONTROL}")

        fault(host, HANG)
        vm.console.sendline(f"stty -F {tty} 9600 &")
        host.idle(1)
        for _ in range(3):
            assert "does not answer" in status(host)["bpmp"]["error"]
        fault(host, "off")
        host.run("sleep 1")
        assert status(host)["bpmp"]["requests"] >= bpmp["requests"]
        vm.ends(0, "poweroff -f")
