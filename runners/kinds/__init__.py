"""The kinds this service brings, one file each; importing them registers them."""

from __future__ import annotations

import importlib
import pkgutil

for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
    importlib.import_module(module.name)
