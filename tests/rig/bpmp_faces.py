# SPDX-License-Identifier: Apache-2.0
"""The ways in which a guest's BPMP can be given to it, as the VMM's options."""

from __future__ import annotations

import pytest

FAST = "--bpmp mailbox"
TRAPPED = "--bpmp mailbox,trap"
MAILBOX = (FAST, TRAPPED)
WINDOW_FAST = "--bpmp proxy"
WINDOW_TRAPPED = "--bpmp proxy,trap"
PROXY = (WINDOW_FAST, WINDOW_TRAPPED)
WINDOW_BASE = 0x090D0000


def faces(*options: str) -> pytest.MarkDecorator:
    """Runs the scenario once with each, as its argument `face`."""
    return pytest.mark.parametrize("face", [
        pytest.param(option, id=option.removeprefix("--bpmp ").replace(",", "-"))
        for option in options])
