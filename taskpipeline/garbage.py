"""Python's garbage collector, told what it cannot know."""

from __future__ import annotations

import gc

# A request or a round makes thousands of objects and hardly a cycle among them: by default the collector looks after
# every 700 that are made and still there, which of a large document are a thousandth.
_OBJECTS = 20_000


def tell_collector() -> None:
    """Have it leave alone what a process has read before it begins its work, and look at the rest less often.

    What is there is there for good, and after a fork looking at a page makes a copy of it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS)
