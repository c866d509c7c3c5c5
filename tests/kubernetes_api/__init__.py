"""A Kubernetes API server for tests: the real protocol over a real socket, with controllers that tests step.

    with serving() as server:
        connection = server.connection()            # a Connection with every right
        server.create_namespace("builds")           # "default" is there
        ...
        server.step()                               # one round of every controller, then of every pod
        server.settle()                             # rounds until nothing changes any more
        server.advance(seconds=600)                 # the cluster's clock moves on
        server.get("jobs", "default", name)         # an object as the API shows it; None if there is none
        server.objects("pods", "default")           # all of them
        server.count(verb="list", resource="jobs")  # requests so far; server.log has each
        server.write_log("default", pod, "text\n")  # a running container says something more
        server.fail(status=500, verb="create", resource="jobs", times=1, after=True)   # done, but the answer lost
        server.fail(status=429, retry_after=7)      # until server.heal()
        server.fail(slow_seconds=30) ; server.fail(drop=True) ; server.stop() ; server.start() ; server.heal()
        server.expire_continues()                   # 410 for every list continued from now
        server.add_token("t", rules=[{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}])
        server.connection(token="t")
        server.delete("pods", "default", name) ; server.patch("deployments", "default", name, {...}, manager="kubectl")

The image decides what becomes of a pod; the first part of its name is the play, the second its argument (all containers
of a pod do as the first one's image says):

    anything      runs a round, says two lines, ends with 0 (of a Deployment: is ready after a round)
    slow/N        runs N rounds              hang/x        runs until it is deleted
    exit/N        ends with exit code N      oom/x         is killed for its memory (137, OOMKilled)
    bad/x         ErrImagePull, then ImagePullBackOff     invalid/x     InvalidImageName
    config/x      CreateContainerConfigError              unschedulable/x   no node takes it
    evict/node    evicted for the node's pressure (DisruptionTarget), once; its replacement runs a round
    disrupt/x     evicted through the API (DisruptionTarget), once       evict/limit   evicted for its own use
    quota/x       no pod may be created (FailedCreate)    crash/x       CrashLoopBackOff (of a Deployment)
    unready/x     runs, never ready

When `serving` ends it fails the test if a body broke the published types (`server.violations`).
"""

from __future__ import annotations

from tests.kubernetes_api.server import ApiServer, serving

__all__ = ["ApiServer", "serving"]
