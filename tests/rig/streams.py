# SPDX-License-Identifier: Apache-2.0
"""Byte streams to and from a board, with pexpect's interface and one pump that serves all.

Whoever waits on one stream turns the pump, and the pump reads and writes every socket of the
board, so that nothing that is printed elsewhere blocks the board or is lost from the logs.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import time
from pathlib import Path
from typing import BinaryIO, Callable

import pexpect
from pexpect.spawnbase import SpawnBase

WINDOW = 8192  # unacknowledged input of a session, as in host/agent.c
CHUNK = 4096
TAIL_LINES = 25


class Hang(Exception):
    """Something awaited did not come. The text says what, where, and the last lines seen."""


class Channel:
    """One of QEMU's sockets: a serial line or a virtio-serial port."""

    def __init__(self, connection: socket.socket, receive: Callable[[bytes], None],
                 ended: Callable[[], None]) -> None:
        connection.setblocking(False)
        self.connection = connection
        self._receive, self._ended = receive, ended
        self._outgoing = bytearray()

    @property
    def waiting(self) -> bool:
        return bool(self._outgoing)

    def send(self, data: bytes) -> None:
        self._outgoing += data

    def readable(self) -> bool:
        """Takes what is there. False at the end of the stream."""
        try:
            data = self.connection.recv(65536)
        except BlockingIOError:
            return True
        except ConnectionError:
            data = b""
        if data:
            self._receive(data)
        else:
            self._ended()
        return bool(data)

    def writable(self) -> None:
        try:
            sent = self.connection.send(self._outgoing)
            del self._outgoing[:sent]
        except BlockingIOError:
            pass
        except ConnectionError:
            self._outgoing.clear()


class Pump:
    """Moves bytes between the channels and their streams."""

    # When whatever waits has waited for too long, by time.monotonic(). Looked at here and no signal's,
    # as scenarios need not run on their process' main thread.
    deadline = math.inf

    def __init__(self) -> None:
        self._channels: list[Channel] = []

    def add(self, channel: Channel) -> None:
        self._channels.append(channel)

    def turn(self, seconds: float) -> None:
        """Waits up to `seconds` for anything to move, and moves it."""
        if time.monotonic() > Pump.deadline:
            raise Hang("the scenario has had its time")
        readers = {channel.connection: channel for channel in self._channels}
        writers = {channel.connection: channel for channel in self._channels if channel.waiting}
        if not readers:
            return
        ready_in, ready_out, _ = select.select(list(readers), list(writers), [],
                                               max(0.0, seconds))
        for connection in ready_out:
            writers[connection].writable()
        for connection in ready_in:
            if not readers[connection].readable():
                self._channels.remove(readers[connection])

    def close(self) -> None:
        for channel in self._channels:
            channel.connection.close()
        self._channels.clear()


class Stream(SpawnBase):
    """Bytes in and out. expect() and before/after are pexpect's, in bytes."""

    def __init__(self, pump: Pump, name: str, write: Callable[[bytes], None],
                 log: Path | None = None) -> None:
        super().__init__(timeout=30, maxread=65536)
        self.delayafterread = None
        self.name = name
        self._pump, self._write = pump, write
        self._incoming = bytearray()
        self._tail = bytearray()
        self.ended = False
        self._log_file: BinaryIO | None = None
        self.log_to(log)

    def log_to(self, path: Path | None) -> None:
        """Where everything received is kept from now on."""
        if self._log_file:
            self._log_file.close()
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._log_file = path.open("ab", buffering=0) if path else None

    def received(self, data: bytes) -> None:
        self._incoming += data
        self._tail = (self._tail + data)[-8192:]
        if self._log_file:
            self._log_file.write(data)

    def end(self) -> None:
        self.ended = True

    def send(self, data: bytes | str) -> None:
        self._write(data.encode() if isinstance(data, str) else data)

    def sendline(self, line: str = "") -> None:
        self.send(line + "\n")

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> bytes:
        """What pexpect calls to read on."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self._incoming:
            if self.ended:
                self.flag_eof = True
                raise pexpect.EOF(f"{self.name} ended")
            if time.monotonic() >= deadline:
                raise pexpect.TIMEOUT(f"nothing from {self.name}")
            self._pump.turn(deadline - time.monotonic())
        data = bytes(self._incoming[:size])
        del self._incoming[:size]
        return data

    def wait_for(self, pattern: str | list[str], seconds: float) -> int:
        """expect() whose failure says what was awaited and what came instead."""
        try:
            return self.expect(pattern, timeout=seconds)
        except pexpect.TIMEOUT:
            raise self.hang(f"{seconds:g} s passed without {pattern!r}") from None
        except pexpect.EOF:
            raise self.hang(f"it ended without {pattern!r}") from None

    def take(self, count: int, seconds: float) -> bytes:
        """Exactly `count` bytes, binary, with what expect() has read ahead."""
        taken = bytearray(self.buffer)
        self._buffer = self.buffer_type()
        self._before = self.buffer_type()
        deadline = time.monotonic() + seconds
        while len(taken) < count:
            try:
                taken += self.read_nonblocking(65536, deadline - time.monotonic())
            except (pexpect.TIMEOUT, pexpect.EOF):
                raise self.hang(f"{len(taken)} of {count} bytes came in {seconds:g} s") from None
        self._incoming[:0] = taken[count:]
        return bytes(taken[:count])

    def drain(self, quiet: float = 0.2) -> bytes:
        """Everything up to a pause of `quiet` seconds."""
        taken = bytearray(self.take(0, 1) + self._take_incoming())
        try:
            while True:
                taken += self.read_nonblocking(65536, quiet)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return bytes(taken)

    def tail(self) -> str:
        lines = bytes(self._tail).decode(errors="replace").replace("\r", "").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def hang(self, what: str) -> Hang:
        return Hang(f"{self.name}: {what}; its last lines:\n{self.tail() or '(nothing)'}")

    def _take_incoming(self) -> bytes:
        data = bytes(self._incoming)
        self._incoming.clear()
        return data


class Session(Stream):
    """A command that the agent runs on the host."""

    def __init__(self, mux: Mux, number: int, name: str, log: Path | None) -> None:
        super().__init__(mux.pump, name, self._queue, log)
        self._mux, self._number = mux, number
        self._pending = bytearray()
        self._unacknowledged = 0
        self._end_wanted = False
        self.wait_status: int | None = None

    def kill(self, signal: int) -> None:
        """To the session's process group."""
        if not self.ended:
            self._mux.frame(b"K", self._number, bytes([signal]))

    def end_input(self) -> None:
        """After what has been sent so far; for sessions on pipes."""
        self._end_wanted = True
        self._advance()

    def wait(self, seconds: float) -> int:
        """The exit status as a shell has it: 128 + signal for a killed command."""
        deadline = time.monotonic() + seconds
        while not self.ended:
            if time.monotonic() >= deadline:
                raise self.hang(f"it did not end within {seconds:g} s")
            self.pump_once(deadline - time.monotonic())
        if self.wait_status is None:
            raise self.hang("the board ended under it")
        low = self.wait_status & 0x7F
        return 128 + low if low else self.wait_status >> 8

    def output(self) -> bytes:
        """All output not taken yet."""
        return self.take(0, 1) + self._take_incoming()

    def pump_once(self, seconds: float) -> None:
        self._pump.turn(seconds)

    def acknowledged(self, count: int) -> None:
        self._unacknowledged -= count
        self._advance()

    def _queue(self, data: bytes) -> None:
        self._pending += data
        self._advance()

    def _advance(self) -> None:
        while self._pending and self._unacknowledged < WINDOW and not self.ended:
            size = min(CHUNK, WINDOW - self._unacknowledged, len(self._pending))
            self._mux.frame(b"I", self._number, bytes(self._pending[:size]))
            self._unacknowledged += size
            del self._pending[:size]
        if self._end_wanted and not self._pending and not self.ended:
            self._mux.frame(b"E", self._number)
            self._end_wanted = False


class Mux:
    """The rig's end of host/agent.c."""

    def __init__(self, pump: Pump, connection: socket.socket) -> None:
        self.pump = pump
        self.up = False
        self.ended = False
        self._channel = Channel(connection, self._received, self._end)
        pump.add(self._channel)
        self._incoming = bytearray()
        self._sessions: dict[int, Session] = {}

    def start(self, command: str, name: str, terminal: bool, log: Path | None) -> Session:
        if self.ended:
            raise Hang(f"the board has ended: {name} cannot start")
        number = next(n for n in range(32) if n not in self._sessions)
        session = Session(self, number, name, log)
        self._sessions[number] = session
        self.frame(b"S", number, (b"t" if terminal else b"p") + command.encode())
        return session

    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    def frame(self, kind: bytes, number: int, payload: bytes = b"") -> None:
        if len(payload) > WINDOW - 8:
            raise ValueError("a command is too long for the agent")
        self._channel.send(kind + struct.pack("<BH", number, len(payload)) + payload)

    def _received(self, data: bytes) -> None:
        self._incoming += data
        while len(self._incoming) >= 4:
            kind, number, size = struct.unpack_from("<cBH", self._incoming)
            if len(self._incoming) < 4 + size:
                break
            self._handle(kind, number, bytes(self._incoming[4:4 + size]))
            del self._incoming[:4 + size]

    def _handle(self, kind: bytes, number: int, payload: bytes) -> None:
        session = self._sessions.get(number)
        if kind == b"H":
            self.up = True
        elif session is None:
            return
        elif kind == b"O":
            session.received(payload)
        elif kind == b"A":
            session.acknowledged(struct.unpack("<I", payload)[0])
        elif kind == b"X":
            session.wait_status = struct.unpack("<I", payload)[0]
            session.end()
            del self._sessions[number]

    def _end(self) -> None:
        self.ended = True
        for session in self._sessions.values():
            session.end()
        self._sessions.clear()
