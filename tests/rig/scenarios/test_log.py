# SPDX-License-Identifier: Apache-2.0
"""Log lines for programs, of every process of a VM."""

from __future__ import annotations

import json
import re

from board import Board
from kinds import A, on
from vm import Vm

# A quote, and a byte that is no UTF-8; for the shell.
ODD = "--kernel \"/none\\\"$(printf '\\377')\""


@on(A)
def test_json_lines(host: Board) -> None:
    """The machine's, and those of jailed workers, the guard's among them."""
    with Vm(host, "--passthrough 9040000.pl011,compatible=arm,pl011 --name vm1 "
            "--log-format json --log-level debug") as vm:
        vm.up()
        log = vm.ends(0, "poweroff -f")
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"vm1", "console", "bpmp", "guard", "rng"} <= {line["process"] for line in lines}, log
    assert all(list(line) == ["level", "process", "message"] for line in lines)
    assert {"level": "info", "process": "vm1", "message": "the guest powered off"} in lines
    status, output = host.run(f"bpmp-vmm check --log-format json {ODD}")
    first = json.loads(output.splitlines()[0])
    assert (status, first["level"]) == (3, "error")
    assert first["message"] == '--kernel /none"?: No such file or directory; check the path'


@on(A)
def test_journal_priorities(host: Board) -> None:
    status, output = host.run(f"bpmp-vmm check --log-format journal {ODD}")
    assert status == 3
    assert re.fullmatch(r"<3>--kernel /none\".: No such file or directory; check the path\s+"
                        r"<6>this VM would not run here\s*", output), output
