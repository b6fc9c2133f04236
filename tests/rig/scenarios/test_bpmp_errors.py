# SPDX-License-Identifier: Apache-2.0
"""A host's BPMP that fails in every way it has: the guest sees an error, the log says why, and the
VM goes on. One boot for all of it, recorded in an audit file, which is looked at last."""

from __future__ import annotations

import json
import re

import state
import uart
from board import Board
from guest_bpmp import CLK_GET_RATE, FILE, MRQ_CLK, request
from kinds import B, on
from vm import Vm

AUDIT = "/tmp/audit"
CLOCK = 155
MRQ_THERMAL, MRQ_EMC_DVFS_LATENCY, MRQ_QUERY_TAG = 27, 31, 1

# errno of the host's write(): the BPMP's code for the guest, words of the log.
ERRNOS = {
    1: (-13, "allowed-clocks"),  # EPERM
    13: (-13, "allowed-clocks"),  # EACCES
    22: (-22, "older one"),  # EINVAL
    19: (-19, "no BPMP at hand"),  # ENODEV
    14: (-19, "no BPMP at hand"),  # EFAULT
    110: (-23, "does not answer"),  # ETIMEDOUT
    62: (-23, "does not answer"),  # ETIME
    11: (-11, "is suspended"),  # EAGAIN
    16: (-16, "no free channel"),  # EBUSY
    12: (-12, "out of memory"),  # ENOMEM
    75: (-5, "an answer that is none"),  # EOVERFLOW
    5: (-5, "an answer that is none"),  # EIO
    28: (-5, "error 28"),  # ENOSPC: nothing that it should ever say
}


def fault(host: Board, text: str) -> None:
    host.check(f"echo {text} >{state.BPMP}/fault")


def rate(vm: Vm) -> int:
    """The BPMP's code for a request that goes to the host."""
    return request(vm, MRQ_CLK, CLK_GET_RATE | CLOCK).ret


def every_errno(host: Board, vm: Vm) -> None:
    """Few commands and one look at the log: each costs seconds on a busy machine."""
    for error, (code, _) in ERRNOS.items():
        fault(host, f"next errno={error} mrq={MRQ_CLK}")
        assert rate(vm) == code, error
    assert rate(vm) == 0, "nothing is left of them"
    lines = [line for line in vm.log().splitlines() if f"GET_RATE of clock {CLOCK} (" in line]
    assert len(lines) == len(ERRNOS), lines  # one for each kind
    for line, (_, words) in zip(lines, ERRNOS.values()):
        assert words in line, (words, line)
    fault(host, f"next ret=-16 mrq={MRQ_CLK}")
    assert rate(vm) == -16
    assert "the firmware answered -16" in vm.log()


def a_hang(host: Board, vm: Vm) -> None:
    """Half a minute without a word, then a time-out: the guest's other work goes on."""
    fault(host, f"next hang=30000 errno=110 mrq={MRQ_CLK}")
    vm.guest(f"( echo {MRQ_CLK} {CLK_GET_RATE | CLOCK:#x} >{FILE}; cat {FILE} >/answer ) & true")
    assert vm.guest("echo alive") == "alive"
    vm.guest("while [ ! -s /answer ]; do sleep 1; done", 120)
    # The shell may say first that its job is done.
    assert vm.guest("cat /answer").splitlines()[-1].split()[:2] == ["0", "-23"]
    assert rate(vm) == 0


def what_is_closed(host: Board, vm: Vm) -> None:
    for mrq, words in ((MRQ_THERMAL, "--bpmp mrqs=thermal would allow it"),
                       (MRQ_QUERY_TAG, "memory of the guest's choice")):
        assert request(vm, mrq, 0, 0, 0, 0).ret == -3
        assert words in vm.log()
    request(vm, MRQ_EMC_DVFS_LATENCY, 0, 0)  # opened; whatever the firmware says to it
    asked = {int(mrq) for mrq in re.findall(r" mrq=(\d+) ", host.file(f"{state.BPMP}/log"))}
    assert MRQ_EMC_DVFS_LATENCY in asked
    assert not asked & {MRQ_THERMAL, MRQ_QUERY_TAG}


def the_record(host: Board) -> None:
    lines = [json.loads(line) for line in host.file(AUDIT).splitlines()]
    assert lines[0]["event"] == "start" and CLOCK in lines[0]["clocks"]
    assert lines[0]["mrqs"] == "emc-dvfs-latency"
    assert [line["event"] for line in lines].count("guest") == 1
    assert lines[-1]["event"] == "restore"
    requests = [line for line in lines if line["event"] == "request"]
    assert {line["verdict"] for line in requests} == {"answered", "refused", "forward"}
    seen = {line.get("host-errno", 0) for line in requests}
    assert set(ERRNOS) <= seen, set(ERRNOS) - seen
    for line in requests:
        assert line["verdict"] == "forward" or "sent" not in line
        assert line["result"] == 0 or not line["answer"]


@on(B)
def test_a_host_that_fails_in_every_way(host: Board) -> None:
    passthrough = uart.uart_of(host.kind).passthrough
    options = f"--passthrough {passthrough} --bpmp audit={AUDIT},mrqs=emc-dvfs-latency"
    with Vm(host, options) as vm:
        vm.up()
        every_errno(host, vm)
        a_hang(host, vm)
        what_is_closed(host, vm)
        # Its module cannot go while a VM has its node.
        assert host.run("rmmod rig_bpmp").status != 0
        assert rate(vm) == 0
        vm.ends(0, "poweroff -f")
    the_record(host)
    host.run(f"rm {AUDIT}")
