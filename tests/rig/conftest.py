# SPDX-License-Identifier: Apache-2.0
"""Boards for the scenarios: booted when first asked for, shared while they stay clean.

What host, guests, wire and both kernels print goes to build/rig/TEST/.
"""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import artifacts
import initramfs
import state
from board import Board
from qemu import Kind
from streams import Hang, Pump
from vm import Vm

TEST_SECONDS = 300


class Boards:
    """One board at a time, of each of the processes that share the scenarios."""

    def __init__(self) -> None:
        self._board: Board | None = None

    def get(self, kind: Kind, logs: Path) -> Board:
        if self._board and (self._board.kind != kind or not self._board.alive):
            self.stop()
        if self._board is None:
            self._board = Board(kind, logs)
            try:
                self._board.boot()
            except BaseException:
                self.stop()
                raise
        else:
            self._board.move_logs(logs)
        return self._board

    def stop(self) -> None:
        if self._board:
            self._board.stop()
        self._board = None


def log_directory(node: pytest.Item) -> Path:
    name = re.sub(r"[^\w.-]+", "-", node.name).strip("-")
    return artifacts.BUILD / f"{Path(node.path).stem}.{name}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what is marked as long")
    parser.addoption("--trap", action="store_true", help="every VM on the path that traps; without "
                     "what is marked as fast")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        initramfs.host()  # makes what the processes that run scenarios would all make at once
    Vm.traps = config.getoption("--trap")
    config.addinivalue_line("markers", "long: takes minutes; runs with --long only")
    config.addinivalue_line("markers", "fast: counts exits; does not run with --trap")
    config.addinivalue_line("markers", f"deadline(seconds): for the whole scenario, in place of "
                            f"{TEST_SECONDS} s")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All scenarios of one board together, so that each board boots once."""
    left_out = ([] if config.getoption("--long") else ["long"]) + (
        ["fast"] if config.getoption("--trap") else [])
    deselected = [item for item in items if any(map(item.get_closest_marker, left_out))]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in deselected]

    def board(item: pytest.Item) -> str:
        parameters = getattr(item, "callspec", None)
        return parameters.params["host"].name if parameters else ""

    items.sort(key=board)


@pytest.fixture(scope="session")
def boards() -> Iterator[Boards]:
    pool = Boards()
    yield pool
    pool.stop()


@pytest.fixture
def host(request: pytest.FixtureRequest, boards: Boards) -> Iterator[Board]:
    """The scenario's board, clean at the start. One that is not clean at the end is not used
    again."""
    logs = log_directory(request.node)
    shutil.rmtree(logs, ignore_errors=True)
    try:
        board = boards.get(request.param, logs)
    except artifacts.CannotBeHad as reason:
        pytest.skip(str(reason))
    state.reset_bpmp(board)
    state.reset_network(board)
    left = state.leftovers(board)
    assert not left, f"the scenario before left this behind: {left}"
    board.check("rm -rf /tmp/* /run/bpmp-vmm; dmesg -c >/dev/null")
    yield board
    _put_away(board, boards)


def _put_away(board: Board, boards: Boards) -> None:
    try:
        board.kill_sessions()
        for name in ("dmesg", "cat /tmp/*.log", f"cat {state.BPMP}/log"):
            text = board.run(f"{name} 2>/dev/null").output
            path = re.sub(r"\W+", "-", name.split("/")[-1].replace("*.", "vmm-"))
            (board.logs / f"host-{path}.txt").write_text(text)
        if state.leftovers(board):
            boards.stop()
    except Hang as hang:
        (board.logs / "hang.txt").write_text(str(hang))
        boards.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A deadline for the whole scenario, above those of its steps."""
    marker = item.get_closest_marker("deadline")
    seconds = marker.args[0] if marker else TEST_SECONDS

    Pump.deadline = time.monotonic() + seconds
    yield
    Pump.deadline = math.inf


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """On failure: the ends of all logs of the scenario; and failure.txt beside them, at once, for
    those who watch a long run or end it early."""
    outcome = yield
    report = outcome.get_result()
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and isinstance(host, Board):
        host.idle(0.2)
        with (host.logs / "failure.txt").open("a") as text:
            text.write(f"{item.nodeid} ({report.when})\n{report.longreprtext}\n")
        for log in sorted(host.logs.glob("*.log")):
            lines = log.read_bytes()[-6000:].decode(errors="replace").replace("\r", "")
            report.sections.append((str(log.relative_to(artifacts.TOP)),
                                    "\n".join(lines.splitlines()[-30:])))


def pytest_report_header() -> str:
    age = "missing"
    if artifacts.VMM.exists():
        seconds = time.time() - artifacts.VMM.stat().st_mtime
        age = f"built {seconds / 60:.0f} minutes ago"
    return f"program under test: {artifacts.VMM}, {age}"
