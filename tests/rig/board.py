# SPDX-License-Identifier: Apache-2.0
"""A board under emulation, with a Linux host on it that has /dev/kvm.

    with Board(Kind("a", gic=3, cpus=2), Path("build/rig/try")) as board:
        board.boot()
        status, output = board.run("ls /guest", 10)
        vmm = board.start("bpmp-vmm --kernel /guest/Image --initrd /guest/initrd")
        vmm.wait_for("guest: up", 60)
        vmm.sendline("poweroff -f")
        assert vmm.wait(20) == 0

`board.wire` is the far end of the UART that is given away, byte for byte. Any number of
commands run at once (start() with or without a terminal of their own) beside run(). Every wait
has a deadline and raises Hang with the last lines seen. All that is printed goes to files in the
given directory: console.log (the host's kernel), wire.log, commands.log, NAME.log per session.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import artifacts
import initramfs
import qemu
from qemu import Kind
from streams import Channel, Hang, Mux, Pump, Session, Stream

BOOT_SECONDS = 90


class Result(NamedTuple):
    status: int
    output: str


class Board:
    def __init__(self, kind: Kind, logs: Path) -> None:
        self.kind = kind
        self.logs = logs
        self.wire: Stream
        self.console: Stream
        self.boot_seconds = 0.0
        self._pump = Pump()
        self._mux: Mux
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = Path(tempfile.mkdtemp(prefix="rig-"))  # socket paths are short

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def boot(self) -> None:
        """Starts the board and returns when its host takes commands."""
        started = time.monotonic()
        archive = self._directory / "host.cpio"
        archive.write_bytes(initramfs.host(self.kind.guest, self.kind.kernels,
                                           self.kind.programs, self.kind.rust))
        listeners = {name: qemu.Listener(self._directory, name)
                     for name in ("console", "wire", "agent")}
        place = {name: f"unix:{listener.path}" for name, listener in listeners.items()}
        agent = f"socket,id=agent,path={listeners['agent'].path}"
        line = qemu.command(self.kind, archive, place["console"], place["wire"], agent)
        self._process = qemu.start(line, self.logs / "qemu.log")
        try:
            sockets = {name: listener.accept(20) for name, listener in listeners.items()}
        except TimeoutError:
            text = (self.logs / "qemu.log").read_text(errors="replace")
            raise Hang(f"QEMU did not start:\n{text}") from None
        self.console = self._stream("console", sockets["console"])
        self.wire = self._stream("wire", sockets["wire"])
        self._mux = Mux(self._pump, sockets["agent"])
        deadline = time.monotonic() + BOOT_SECONDS
        while not self._mux.up:
            if time.monotonic() > deadline or self._mux.ended:
                raise self.console.hang(f"the host was not up after {BOOT_SECONDS} s")
            self._pump.turn(1)
        shutil.rmtree(self._directory)  # nobody opens these files any more
        self.boot_seconds = time.monotonic() - started

    def run(self, command: str, seconds: float = 30) -> Result:
        """Runs a shell command on the host to its end; output is stdout and stderr together."""
        began = time.monotonic()
        session = self._mux.start(command, f"`{command}`", False, None)
        session.end_input()
        try:
            status = session.wait(seconds)
        except Hang:
            session.kill(signal.SIGKILL)
            raise
        output = session.output().decode(errors="replace")
        with (self.logs / "commands.log").open("a") as log:
            log.write(f"$ {command}\n{output}[{status}, {time.monotonic() - began:.1f} s]\n")
        return Result(status, output)

    def check(self, command: str, seconds: float = 30) -> str:
        """run() of what must succeed; returns the output without the last newline."""
        status, output = self.run(command, seconds)
        if status:
            raise AssertionError(f"`{command}` ended with {status}:\n{output}")
        return output.rstrip("\n")

    def file(self, path: str) -> str:
        return self.check(f"cat {path}")

    def start(self, command: str, name: str = "vmm", terminal: bool = True) -> Session:
        """Starts a shell command that goes on beside others, on a terminal (24x80) or pipes."""
        return self._mux.start(command, name, terminal, self.logs / f"{name}.log")

    def move_logs(self, directory: Path) -> None:
        """From now on what is printed is kept in another directory."""
        directory.mkdir(parents=True, exist_ok=True)
        self.logs = directory
        self.console.log_to(directory / "console.log")
        self.wire.log_to(directory / "wire.log")

    def kill_sessions(self) -> None:
        for session in self._mux.sessions():
            session.kill(signal.SIGKILL)
            session.wait(20)

    def idle(self, seconds: float) -> None:
        """Lets the board run for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._pump.turn(end - time.monotonic())

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """From outside, as board B has no way to power itself off."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process.wait()
            self._process = None
        self._pump.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _stream(self, name: str, connection: object) -> Stream:
        channel: Channel
        stream = Stream(self._pump, f"{name} of board {self.kind.name}",
                        lambda data: channel.send(data), self.logs / f"{name}.log")
        channel = Channel(connection, stream.received, stream.end)
        self._pump.add(channel)
        return stream
