"""A cluster's API: the only file that imports `kubernetes`. Touches no models.

One call is one try: rounds repeat, this does not. Objects are plain dictionaries, the JSON of the API.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Literal, Self
from urllib.request import getproxies

import orjson
from kubernetes.client import ApiClient, AppsV1Api, BatchV1Api, Configuration, CoreV1Api, VersionApi
from kubernetes.client.exceptions import ApiException
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from runners.kubernetes.answers import refusal
from runners.kubernetes.credentials import Connection
from runners.kubernetes.exceptions import (
    BadRequest,
    Conflict,
    Gone,
    InvalidConnection,
    NotFound,
    ServerFault,
    Unauthorized,
    Unreachable,
)
from runners.kubernetes.pod_logs import Cursor, LogPage, page_of
from runners.kubernetes.tls import context_of

Object = dict[str, Any]
Propagation = Literal["Foreground", "Background", "Orphan"]
Call = Callable[..., Any]  # the client is untyped

APPLY = "application/apply-patch+yaml"

MAX_PAGES = 1000
MAX_ANSWER_BYTES = 256 << 20
MAX_LOG_BYTES = 8 << 20
CHUNK_BYTES = 64 << 10

# In the words of the API server's handler, and of its store for what was exchanged a moment later.
_ANOTHER_UID = re.compile(r"UID in (the )?precondition")
_ONE_TRY = Retry(
    total=0,
    redirect=0,
    raise_on_redirect=False,  # a redirect is an answer that makes no sense, not an order to go elsewhere
    raise_on_status=False,
    respect_retry_after_header=False,  # else urllib3 sleeps here for as long as the server likes
)


class Cluster:
    """Calls to one API server, each with a time limit; `requests` counts them. To be used by one thread.

    Every method raises ClusterError or one of its subclasses, the constructor Unauthorized.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        timeout_seconds: float = 10.0,
        page_size: int = 500,
        before_request: Callable[[], None] = lambda: None,
    ) -> None:
        self.requests = 0
        self._before_request = before_request
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._page_size = page_size
        try:
            self._client = _client_of(connection)
        except InvalidConnection as error:  # in a cluster: the pod's files are missing or no longer good
            raise Unauthorized(str(error)) from error
        self._core = CoreV1Api(self._client)
        self._batch = BatchV1Api(self._client)
        self._apps = AppsV1Api(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; the client's own `close` leaves them open."""
        self._client.close()
        self._client.rest_client.pool_manager.clear()

    def version(self) -> Object:
        """What runs there: `gitVersion`, `major`, `minor`, ..."""
        return self._object(VersionApi(self._client).get_code)

    def list_jobs(self, namespace: str, selector: str) -> list[Object]:
        return self._list(self._batch.list_namespaced_job, namespace, label_selector=selector)

    def list_pods(self, namespace: str, selector: str) -> list[Object]:
        return self._list(self._core.list_namespaced_pod, namespace, label_selector=selector)

    def list_deployments(self, namespace: str, selector: str) -> list[Object]:
        return self._list(self._apps.list_namespaced_deployment, namespace, label_selector=selector)

    def list_replica_sets(self, namespace: str, selector: str) -> list[Object]:
        return self._list(self._apps.list_namespaced_replica_set, namespace, label_selector=selector)

    def list_events(self, namespace: str, *, about: str) -> list[Object]:
        """The events about the object of that uid, in no certain order."""
        return self._list(self._core.list_namespaced_event, namespace, field_selector=f"involvedObject.uid={about}")

    def create_job(self, namespace: str, manifest: Object) -> Object:
        """Raises AlreadyThere if the name is taken, NotFound with `what` "namespaces" if the namespace is missing."""
        return self._object(self._batch.create_namespaced_job, namespace, manifest)

    def get_job(self, namespace: str, name: str) -> Object:
        return self._object(self._batch.read_namespaced_job, name, namespace)

    def delete_job(self, namespace: str, name: str, uid: str, *, propagation: Propagation = "Foreground") -> bool:
        """Ask for the deletion of this very object; False if it is not there (any more).

        With Foreground the object stays, with a `deletionTimestamp`, until its pods are gone.
        """
        options = {"propagationPolicy": propagation, "preconditions": {"uid": uid}}
        try:
            self._object(self._batch.delete_namespaced_job, name, namespace, body=options)
        except NotFound:
            return False
        except Conflict as error:
            if _ANOTHER_UID.search(error.message):  # a namesake stands there
                return False
            raise
        return True

    def apply_deployment(self, namespace: str, manifest: Object, *, manager: str) -> Object:
        """Create or update by server-side apply, never by force. Raises Conflict, its causes naming the fields."""
        call, name = self._apps.patch_namespaced_deployment, manifest["metadata"]["name"]
        return self._object(call, name, namespace, manifest, field_manager=manager, _content_type=APPLY)

    def get_deployment(self, namespace: str, name: str) -> Object:
        return self._object(self._apps.read_namespaced_deployment, name, namespace)

    def pod_log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        limit_bytes: int,
        since_time: str | None = None,
        tail_lines: int | None = None,
        timestamps: bool = False,
    ) -> bytes:
        """What a container wrote, from the oldest that the node has; nothing if it has not started yet."""
        wanted: dict[str, object] = {
            "container": container,
            "limitBytes": limit_bytes,
            "sinceTime": since_time,
            "tailLines": tail_lines,
            "timestamps": "true" if timestamps else None,
        }
        try:
            # The generated method has no `sinceTime`: it is missing from the published OpenAPI, not from the API.
            return self._call(
                self._client.call_api,
                "/api/v1/namespaces/{namespace}/pods/{name}/log",
                "GET",
                path_params={"namespace": namespace, "name": pod},
                query_params=[(key, value) for key, value in wanted.items() if value is not None],
                header_params={"Accept": "*/*"},
                auth_settings=["BearerToken"],
            )
        except BadRequest as error:
            if "is waiting to start" in error.message:
                return b""
            raise

    def read_log(self, namespace: str, pod: str, container: str, *, cursor: Cursor, limit_bytes: int) -> LogPage:
        """What the log says after the cursor: no line twice, and none skipped unless the page says `gap`.

        Usually one request; more if a single second of the log is longer than the limit.
        """
        while True:
            raw = self.pod_log(
                namespace, pod, container, since_time=cursor.since, limit_bytes=limit_bytes, timestamps=True
            )
            page = page_of(raw, cursor=cursor, cut=len(raw) >= limit_bytes)
            if page.text or not page.more:
                return page
            if limit_bytes >= MAX_LOG_BYTES:
                return LogPage(b"", cursor.next_second(), more=True, gap=True)
            limit_bytes = min(limit_bytes * 4, MAX_LOG_BYTES)

    def _list(self, call: Call, namespace: str, **options: object) -> list[Object]:
        """All pages of a list as of one moment.

        No `resourceVersion` is sent: what is lacking from such a list does not exist, while an older one from the
        server's cache may lack what was created a moment ago. For the same reason a list whose continuation has
        expired starts again, once, and the token for an inconsistent rest that comes with the 410 is not used.
        """
        try:
            return self._pages(call, namespace, **options)
        except Gone:
            return self._pages(call, namespace, **options)

    def _pages(self, call: Call, namespace: str, **options: object) -> list[Object]:
        items: list[Object] = []
        after: str | None = None
        for _ in range(MAX_PAGES):
            page = self._object(call, namespace, limit=self._page_size, _continue=after, **options)
            items += page.get("items") or []
            after = (page.get("metadata") or {}).get("continue")
            if not after:
                return items
        raise ServerFault(f"The API server's list does not end after {MAX_PAGES} pages.")

    def _object(self, call: Call, *args: object, **options: object) -> Object:
        body = self._call(call, *args, **options)
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise ServerFault("The answer is not one of a Kubernetes API server; check the runner's address.")
        return answer

    def _call(self, call: Call, *args: object, **options: object) -> bytes:
        """One request. The body is read here, with the time limit over all of it: the client's is per read."""
        self._before_request()
        self.requests += 1
        deadline = time.monotonic() + self._timeout_seconds
        try:
            response = call(*args, **options, _preload_content=False, _request_timeout=self._timeout_seconds)
            return _body(response, deadline=deadline)
        except ApiException as error:
            raise refusal(error.status, headers=error.headers or {}, body=error.body or "") from error
        except UnicodeDecodeError as error:  # the client decodes the body of every refusal
            raise ServerFault("The API server refused with a text that cannot be read.") from error
        except InvalidConnection as error:
            raise Unauthorized(str(error)) from error
        except (HTTPError, OSError) as error:
            raise Unreachable(_why(error)) from error


def _body(response: Any, *, deadline: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        # Not `read` or `stream`: they wait until so many bytes are there, however slowly they come.
        while chunk := response.read1(CHUNK_BYTES, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if time.monotonic() > deadline:
                raise Unreachable("The API server's answer took too long.")
            if size > MAX_ANSWER_BYTES:
                raise ServerFault("The API server's answer is too large.")
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return b"".join(chunks)


def _client_of(connection: Connection) -> Any:
    configuration = Configuration()
    configuration.host = connection.server
    configuration.retries = _ONE_TRY
    configuration.tls_server_name = connection.tls_server_name
    # The client lets HTTP_PROXY win over HTTPS_PROXY; plain HTTP is only for loopback, which needs none.
    configuration.proxy = getproxies().get("https") if connection.server.startswith("https:") else None

    def renew_token(current: Any) -> None:
        token = connection.current_token()
        if token is not None:
            current.api_key["BearerToken"] = f"Bearer {token}"

    renew_token(configuration)
    configuration.refresh_api_key_hook = renew_token
    client = ApiClient(configuration)
    client.user_agent = "taskpipeline"
    # A context, since the client itself takes certificates and keys only as paths of files that must stay.
    client.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context_of(connection)
    return client


def _why(error: BaseException) -> str:
    """The innermost reason: urllib3 wraps what happened in what it was trying."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _why(reason)
    return f"The API server cannot be reached: {type(error).__name__}: {error}"[:1000]
