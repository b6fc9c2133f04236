# SPDX-License-Identifier: Apache-2.0
"""A guest's network by passt: no tap, no privileges, ports of the host's that lead into it."""

from __future__ import annotations

import re
import signal

import pytest

import state
from board import Board
from kinds import A_PROGRAMS, on
from vm import FILES, Vm

# passt gives the guest the address of the host's interface with the default route, and its routes.
HOST, ROUTER, OTHER, PORT = "10.9.0.1", "10.9.0.2", "10.8.0.1", 1234
NETWORK = (f"tunctl -t t0 >/dev/null; ip addr add {HOST}/24 dev t0; ip link set t0 up; "
           f"ip link set lo up; ip route add default via {ROUTER}; ip addr add {OTHER}/32 dev lo")
OPTION = f"--net user,hostfwd=tcp:127.0.0.1:2222-:{PORT},hostfwd=tcp::2223-:{PORT}"
TOTAL, CHUNK = 300000, 100000


@pytest.fixture(name="network")
def fixture_network(host: Board) -> None:
    host.run(NETWORK)


def call(to: str) -> str:
    return f"rig-stream call tcp:{to} {TOTAL} {CHUNK}"


def configure(vm: Vm) -> None:
    vm.guest(f"ip addr add {HOST}/24 dev eth0 && ip link set eth0 up && "
             f"ip route add default via {ROUTER}")
    vm.guest(f"rig-stream serve tcp:0.0.0.0:{PORT} >/tmp/serving & "
             "until grep -q serving /tmp/serving; do sleep 0.1; done")


@on(A_PROGRAMS)
def test_both_ways_across_a_reboot(host: Board, network: None) -> None:
    service = host.start(f"exec rig-stream serve tcp:{OTHER}:{PORT}", "service", terminal=False)
    service.wait_for("serving", 20)
    with Vm(host, f"--cpus 2 {OPTION}") as vm:
        vm.up()
        for turn in range(2):
            configure(vm)
            for port in (2222, 2223):
                assert host.check(call(f"127.0.0.1:{port}"), 120).startswith(str(TOTAL))
            assert f"{TOTAL} bytes" in vm.guest(call(f"{OTHER}:{PORT}"), 120)
            if turn == 0:
                vm.console.sendline("reboot -f")
                vm.up()
        vm.ends(0, "poweroff -f")
    service.kill(signal.SIGTERM)
    service.wait(20)


@on(A_PROGRAMS)
def test_ends_with_the_vm_and_the_vm_with_it(host: Board, network: None) -> None:
    with Vm(host, OPTION) as vm:
        vm.up()
        status, said = host.run(f"bpmp-vmm {FILES} --console none {OPTION}")
        assert status == 3 and "passt has ended" in said, said
        host.check(f"kill -KILL {state.worker(host, 'passt')}")
        assert "passt" in vm.ends(6)
    host.check("chmod 666 /dev/kvm")
    try:
        host.check(f"su vmm -c \"bpmp-vmm {FILES} --memory 128M --console file=/tmp/out {OPTION} "
                   "--cmdline 'console=hvc0 rig.do=poweroff'\"", 120)
    finally:
        host.check("chmod 600 /dev/kvm")
    with Vm(host, OPTION) as vm:
        vm.up()
        host.check(f"kill -KILL {vm.pid()}")
        vm.session.wait(20)
        host.idle(0.5)
        assert not state.leftovers(host)


@on(A_PROGRAMS)
def test_a_name_server_on_the_host_s_loopback(host: Board, network: None) -> None:
    """As systemd-resolved's: the guest gets answers at an address of which the log tells."""
    server = host.start("exec rig-resolver", "resolver", terminal=False)
    server.wait_for("serving", 20)
    host.check("echo nameserver 127.0.0.53 >/etc/resolv.conf")
    behind = "/run/systemd/resolve"
    try:
        # The server behind it is told of, which udhcpc shows.
        host.check(f"mkdir -p {behind} && echo nameserver {OTHER} >{behind}/resolv.conf")
        with Vm(host, OPTION) as vm:
            vm.up()
            vm.guest("ip link set eth0 up")
            assert OTHER in vm.guest("printf '#!/bin/sh\\necho dns=$dns' >/tmp/say; chmod +x /tmp/say; "
                                     "udhcpc -i eth0 -n -q -s /tmp/say 2>&1 | grep dns=", 60)
            vm.ends(0, "poweroff -f")
        host.check(f"rm -r {behind}")
        with Vm(host, OPTION) as vm:
            vm.up()
            configure(vm)
            address = re.search(r"127\.0\.0\.53, is (\S+) to the guest", vm.log())[1]
            assert "192.0.2.7" in vm.guest(f"nslookup some.name {address}", 60)
            vm.ends(0, "poweroff -f")
    finally:
        host.run(f"rm -rf /etc/resolv.conf {behind}")
        server.kill(signal.SIGTERM)
        server.wait(20)
