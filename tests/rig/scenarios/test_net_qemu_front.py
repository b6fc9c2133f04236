# SPDX-License-Identifier: Apache-2.0
"""Our jailed network worker with Debian's QEMU as its front end."""

from __future__ import annotations

import signal

import pytest

import state
from board import Board
from kinds import A_DEBIAN, on
from qemu_vm import QemuVm, front_end

SOCKET, MAC = "/tmp/qemu.socket", "52:54:00:12:34:56"
HOST, GUEST, PORT = "10.9.0.1", "10.9.0.2", 1234
TOTAL, CHUNK = 400000, 100000
# In the order of virtio 1.2, 5.1.3: checksums, segments and buffers that may be merged.
FEATURES = (0, 1, 7, 8, 11, 12, 15)


def call(to: str, total: int = TOTAL, chunk: int = CHUNK) -> str:
    """rig-stream compares each byte that comes back with what it sent."""
    return f"rig-stream call tcp:{to}:{PORT} {total} {chunk}"


@pytest.mark.parametrize("boots", [1, pytest.param(2, marks=pytest.mark.long)])
@on(A_DEBIAN)
def test_our_worker_serves_qemu(host: Board, boots: int) -> None:
    host.check(f"tunctl -t t0 >/dev/null && ip addr add {HOST}/24 dev t0 && ip link set t0 up")
    service = host.start(f"exec rig-stream serve tcp:0.0.0.0:{PORT}", "service", terminal=False)
    service.wait_for("serving", 20)
    worker = host.start(f"exec rig-networker {SOCKET} t0 2>/tmp/worker.log", "worker",
                        terminal=False)
    host.check(f"until [ -S {SOCKET} ]; do sleep 0.1; done")
    with QemuVm(host, front_end(SOCKET, "-netdev vhost-user,id=net,chardev=back "
                f"-device virtio-net-pci,netdev=net,mac={MAC},romfile=")) as vm:
        for boot in range(boots):
            vm.up()
            vm.guest(f"ip addr add {GUEST}/24 dev eth0 && ip link set eth0 up")
            assert vm.guest("cat /sys/class/net/eth0/address") == MAC
            features = vm.guest("cat /sys/class/net/eth0/device/features")
            assert all(features[bit] == "1" for bit in FEATURES), features
            vm.guest(f"rig-stream serve tcp:0.0.0.0:{PORT} >/tmp/serving & "
                     "until grep -q serving /tmp/serving; do sleep 0.1; done")
            # Large segments, then frames of some bytes, each way.
            for total, chunk in ((TOTAL, CHUNK), (10000, 100)):
                same = f"{total} bytes came back the same"
                assert same in host.check(call(GUEST, total, chunk), 120)
                assert same in vm.guest(call(HOST, total, chunk), 120)
            # A driver that lets go and takes over again.
            vm.guest("cd /sys/bus/virtio/drivers/virtio_net && d=$(basename virtio*) && "
                     "echo $d >unbind && echo $d >bind && cd / && "
                     f"ip addr add {GUEST}/24 dev eth0 && ip link set eth0 up")
            assert f"{TOTAL} bytes" in host.check(call(GUEST), 120)
            if boot + 1 < boots:
                vm.console.sendline("reboot -f")
        vm.console.sendline("poweroff -f")
        assert vm.session.wait(60) == 0, vm.log()
    assert worker.wait(20) == 0
    log = host.file("/tmp/worker.log")
    assert "bpmp-vmm[net]: jail:" in log and "seccomp" in log, log
    assert "refused" not in log and "error" not in log, log
    service.kill(signal.SIGTERM)
    service.wait(20)
    assert not state.leftovers(host)
    host.check("tunctl -d t0")
