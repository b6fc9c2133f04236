# SPDX-License-Identifier: Apache-2.0
"""A VM on a board's host: started, spoken to over its console, and seen to its end.

    with Vm(host, "--cpus 2") as vm:
        vm.up()
        assert vm.guest("nproc") == "2"
        vm.ends(0, "poweroff -f")
"""

from __future__ import annotations

import signal

from board import Board
from streams import Hang, Session, Stream
import state

FILES = "--kernel /guest/Image --initrd /guest/initrd"
BOOT_SECONDS = 240
SLOW = {"a": 1.0, "b": 1.5}  # board B's CPU is emulated without VHE


class Vm:
    traps = False  # whether those that do not say take the path that traps

    def __init__(self, host: Board, options: str = "", words: str = "", memory: str = "256M",
                 console: str = "stdio", name: str = "vmm", files: str = FILES,
                 command: str = "", terminal: bool = True) -> None:
        """`options`: the VMM's, beyond kernel, initrd, memory and console; `words`: the guest
        kernel's command line; `files`: another kernel; `command`: another VMM's, instead of all
        that; `terminal`: not a pair of pipes. Log lines go to /tmp/NAME.log on the host."""
        if self.traps and "--fast-path" not in options:
            options += " --fast-path off"
        self.host, self.name = host, name
        self.log_path = f"/tmp/{name}.log"
        cmdline = f"console=hvc0 loglevel=7 panic=-1 {words}".strip()
        self.command = command or (
            f"bpmp-vmm {files} --memory {memory} --console {console} --grace 0 "
            f"--cmdline '{cmdline}' {options}")
        # The VMM leaves the terminal's output processing as it is: off, for bytes as they are.
        # exec: the session's process is the VMM itself, so its status is the session's.
        prepare = "stty -opost; " if terminal else ""
        self.session: Session = host.start(
            f"{prepare}exec {self.command} 2>{self.log_path}", name, terminal)
        self.console: Stream = self.session

    def __enter__(self) -> Vm:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.kill(signal.SIGKILL)
        if not self.session.ended:
            self.session.wait(20)

    def up(self, seconds: float = BOOT_SECONDS) -> None:
        """Waits for the guest's first process and for its shell."""
        self.boots(seconds)
        self.console.wait_for("guest# ", 20)
        # No echo and no prompt, so that what comes back is the command's output alone.
        self.console.sendline("stty -echo; PS1=; dmesg -n 1; echo rig-\"\"ready")
        self.console.wait_for("rig-ready\r?\n", 20)

    def boots(self, seconds: float = BOOT_SECONDS) -> None:
        try:
            self.console.wait_for("guest: up", seconds * SLOW[self.host.kind.board])
        except Hang as hang:
            raise Hang(f"{hang}\nThe VMM's log:\n{self.log()}") from None

    def guest(self, command: str, seconds: float = 20) -> str:
        """Runs a command in the guest's shell, which must succeed; returns its output."""
        self.console.sendline(f"{command}; echo rig-\"\"status $?")
        self.console.wait_for(r"rig-status (\d+)\r?\n", seconds)
        output = self.console.before.decode(errors="replace").replace("\r", "").rstrip("\n")
        status = int(self.console.match[1])
        assert status == 0, f"in the guest `{command}` ended with {status}:\n{output}"
        return output

    def log(self) -> str:
        return self.host.run(f"cat {self.log_path}").output

    def pid(self) -> int:
        pids = [process.pid for process in state.processes(self.host)
                if process.role == "machine"]
        assert len(pids) == 1, f"machines: {pids}"
        return pids[0]

    def ends(self, status: int, command: str = "", seconds: float = 30) -> str:
        """Sends the guest a last command; the VMM must end with `status` and leave nothing
        behind. Returns the VMM's log."""
        if command:
            self.console.sendline(command)
        try:
            seen = self.session.wait(seconds)
        except Hang as hang:
            raise Hang(f"{hang}\nThe VMM's log:\n{self.log()}") from None
        log = self.log()
        assert seen == status, f"the VMM ended with {seen}, not {status}:\n{log}"
        left = state.leftovers(self.host)
        assert not left, f"left behind: {left}"
        return log
