"""A cluster to try a stack against: python -m tests.kubernetes_api --port 8001 --directory /tmp/cluster"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from tests.kubernetes_api.access import ADMIN_TOKEN
from tests.kubernetes_api.server import ApiServer


def main() -> None:
    parser = argparse.ArgumentParser(description="A Kubernetes API server that plays: for trying, not for work.")
    parser.add_argument("--port", type=int, default=8001, help="where to listen, on 127.0.0.1 (default: 8001)")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long a round takes (default: 0.5)")
    parser.add_argument("--token-file", type=Path, help="where to write the token (default: it is only shown)")
    parser.add_argument("--namespace", action="append", default=[], help="a namespace to make; may be repeated")
    options = parser.parse_args()
    server = ApiServer(port=options.port)
    for namespace in options.namespace:
        server.create_namespace(namespace)
    if options.token_file:
        options.token_file.write_text(f"{ADMIN_TOKEN}\n")
    sys.stdout.write(f"server {server.url}\ntoken {ADMIN_TOKEN}\n")
    sys.stdout.flush()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    while not over.wait(options.seconds):
        server.step()
    server.stop()


if __name__ == "__main__":
    main()
