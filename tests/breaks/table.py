"""Deliberate faults, one guard each, and the tests that must fail on a build that has them."""

from __future__ import annotations

from tests.breaks.guarding import BROKER, DOCTOR, GROWTH, HOSTILE, SECRETS, TIME
from tests.breaks.running import BACKPRESSURE, CHAOS, GRACE, LIFECYCLE

# By what they try: faults, the life of everything, load, restarts, input, secrets, the broker, clocks, growth, alarms.
BREAKS = {
    "chaos": CHAOS,
    "lifecycle": LIFECYCLE,
    "backpressure": BACKPRESSURE,
    "grace": GRACE,
    "hostile": HOSTILE,
    "secrets": SECRETS,
    "broker": BROKER,
    "time": TIME,
    "growth": GROWTH,
    "doctor": DOCTOR,
}
