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

        refused(host, f"bpmp-vmm balloon 64M {CONTROL}", "has no balloon; start it with --balloon")

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
        # One of the others was let go of for the ninth, and which of them came first is not known.
        silent.append(host.start(f"rig-relay {SOCKET}", "wrong", terminal=False))
        silent[9].sendline('{"command":"status","all":true}')
        silent[9].wait_for("unknown key", 20)
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
    refused(host, f"bpmp-vmm balloon {CONTROL}", "balloon needs SIZE", 2)
    refused(host, f"bpmp-vmm balloon lots {CONTROL}", "'lots'.*for example 256M|lots: .*256M", 2)
    refused(host, f"bpmp-vmm balloon 0 {CONTROL}", "balloon: SIZE is 0; give", 2)
    refused(host, f"bpmp-vmm stop 64M {CONTROL}", "'64M' is one word too many", 2)
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


def layout(host: Board, options: str) -> dict:
    return json.loads(host.check(f"bpmp-vmm layout --kernel /guest/Image --json {options}"))


@on(A, B)
def test_layout_is_what_the_guest_gets(host: Board) -> None:
    """Said before the start, by another process: every address and interrupt of the guest's tree."""
    passthrough = uart.uart_of(host.kind).passthrough
    options = f"--memory 256M --passthrough {passthrough}"
    told = layout(host, options)
    assert told["unknown"] == []
    with Vm(host, f"--passthrough {passthrough}") as vm:
        vm.up()
        base = "/sys/firmware/devicetree/base"
        nodes = vm.guest(f"cd {base}; for i in *@*; do [ -e $i/interrupts ] && "
                         "echo $i $(hexdump -v -e '1/1 \"%02x\"' $i/interrupts) || echo $i; done")
        vm.ends(0, "poweroff -f")
    ranges = [(row["address"], row["address"] + row["size"]) for row in told["addresses"]]
    spis = {row["spi"]: row["name"] for row in told["interrupts"]}
    seen = set()
    for line in nodes.splitlines():
        name, _, cells = line.partition(" ")
        address = int(name.split("@")[1].split(",")[0], 16)
        assert any(first <= address < end for first, end in ranges), (line, ranges)
        words = [int(cells[i:i + 8], 16) for i in range(0, len(cells), 8)]
        if not name.startswith(("timer", "pmu")):
            seen |= {words[i + 1] for i in range(0, len(words), 3) if words[i] == 0}
    assert seen and seen <= set(spis), (seen, spis)
    device = passthrough.split(",")[0]
    assert device in spis.values() and any(row["name"].startswith(device)
                                           for row in told["addresses"])
    if host.kind == B:
        clocks = {row["id"]: row for row in told["bpmp"]["clocks"]}
        assert clocks[155]["why"] == "owned" and clocks[155]["by"] == device
        assert clocks[155]["name"] and clocks[102]["why"] == "shared root"
        assert clocks[91]["why"] == "ancestor" and clocks[91]["by"] == "clock 102"
        assert [row["id"] for row in told["bpmp"]["resets"]] == [100]


@on(B)
def test_layout_says_what_it_cannot_know(host: Board) -> None:
    """Without KVM, VFIO and the BPMP's node: a laptop will do."""
    device = uart.uart_of(host.kind).device
    hidden = "/dev/kvm /dev/vfio /dev/bpmp-host"
    host.check(f"mkdir /tmp/away && mv {hidden} /tmp/away && "
               f"echo {device} >/sys/bus/platform/drivers/vfio-platform/unbind")
    try:
        told = layout(host, f"--passthrough {device} --passthrough none.serial 2>/tmp/said "
                      "--bpmp auto,clocks=200")
        table = host.check(f"bpmp-vmm layout --kernel /guest/Image --passthrough {device}")
    finally:
        host.run("mv /tmp/away/* /dev; "
                 f"echo {device} >/sys/bus/platform/drivers/vfio-platform/bind")
    assert "none.serial" in host.file("/tmp/said")
    unknown = "\n".join(told["unknown"])
    for word in ("GICv3 is assumed", "none.serial", "/dev/bpmp-host: No such file"):
        assert word in unknown
    assert {row["id"]: row["by"] for row in told["bpmp"]["clocks"]} == {
        102: device, 155: device, 200: "--bpmp"}
    assert re.search(r"0x0000000008000000 +0x +10000 +\S", table)
    assert re.search(rf"clock +155 +owned: {device}", table)


@on(A)
def test_options_from_a_file(host: Board) -> None:
    """Relative paths are the caller's, and the command line wins."""
    config = {"kernel": "Image", "initrd": "initrd", "memory": {"size": "128M"}, "cpus": 2,
              "console": {"file": "/tmp/a,b"}, "cmdline": "console=hvc0 rig.do=poweroff",
              "no-reboot": True}
    host.check(f"cat >/tmp/vm.json <<'X'\n{json.dumps(config, indent=1)}\nX")
    host.check("cd /guest && bpmp-vmm --cpus 1 --config /tmp/vm.json", 90)
    assert "guest: up, 1 CPU" in host.file("/tmp/a,b")


@on(A)
def test_service_manager_is_told(host: Board) -> None:
    manager = host.start("rig-notified /tmp/notify", "notified", terminal=False)
    manager.wait_for("listening", 20)
    host.check("NOTIFY_SOCKET=/tmp/notify bpmp-vmm --kernel /guest/Image --initrd /guest/initrd "
               "--memory 256M --console none --cmdline 'console=hvc0 rig.do=poweroff' "
               "--notify started", 120)
    manager.wait_for("READY=1\nSTATUS=the guest runs\nSTOPPING=1\nSTATUS=the guest has ended\n",
                     20)
    refused(host, "NOTIFY_SOCKET=/none bpmp-vmm --kernel /guest/Image --notify started",
            "NOTIFY_SOCKET, /none: No such file", 3)
