"""What the stack costs while nothing happens."""

from __future__ import annotations

import time

from benchmarks.ground import Ground
from benchmarks.latency import ONE
from benchmarks.rows import Outcome, absolute, figure, interleave
from benchmarks.scale import Scale
from benchmarks.targets import IDLE_CPU, IDLE_MEMORY


def idle(ground: Ground, scale: Scale) -> Outcome:
    """Measure a stack that has done one job, so that everything needed for one is loaded, and rests."""
    stack = ground.stack
    stack.run(ONE)
    time.sleep(scale.idle_seconds / 4)

    def cpu() -> float:
        before, began = stack.cpu_seconds(), time.monotonic()
        time.sleep(scale.idle_seconds)
        return 100 * (stack.cpu_seconds() - before) / (time.monotonic() - began)

    used, memory = interleave(scale.idle_rounds, cpu, stack.memory_mib)
    return Outcome(
        [absolute(IDLE_CPU, values=used), absolute(IDLE_MEMORY, values=memory)],
        [figure(f"memory of {part}, idle", values=[mib], unit="MiB") for part, mib in stack.memory_by_part().items()],
    )
