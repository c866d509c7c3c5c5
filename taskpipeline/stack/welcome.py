from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskpipeline.stack.programs import CLIENT, OPERATOR
from taskpipeline.stack.supervisor import Layout


def welcome(layout: Layout, *, made: Mapping[str, Any]) -> str:
    """Return what to show once the stack is up; secrets only those just made."""
    url = layout.address.url
    rows = [("API", f"{url}/api/v1/"), ("API documentation", f"{url}/api/v1/docs/"), ("Admin", f"{url}/admin/")]
    if made["operator"]:
        name, password = made["operator"]
        rows += [("Operator", f"{name}  {password}   (shown only now)")]
    else:
        rows += [("Operator", f"made before; a new password: .venv/bin/python manage.py changepassword {OPERATOR}")]
    file = layout.var_dir / "clients" / f"{CLIENT}.json"
    if made["client"]:
        client_id, secret = made["client"]
        rows += [("Client id", client_id), ("Client secret", f"{secret}   (shown only now; kept in {file})")]
    else:
        rows += [("Client", f"made before; its id and secret are in {file}")]
    rows += [("Logs", str(layout.var_dir / "log")), ("Stop", "Ctrl-C")]
    width = max(len(name) for name, _ in rows)
    return "\n".join(["", "Task Pipeline is up.", *(f"  {name:<{width}}  {value}" for name, value in rows), ""])
