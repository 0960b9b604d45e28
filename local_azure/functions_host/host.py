"""The Functions host: serves one deployment of a site on the site's socket.

Run as `python -m local_azure.functions_host.host CONFIG`; the environment consists of the site's app settings
and the platform's variables. For new code or settings the daemon starts another process, which accepts
requests on the same socket once it has loaded the functions, and then stops the previous one.
"""

import asyncio
import importlib
import json
import logging
import os
import signal
import socket
import ssl
import sys
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from aiohttp import web

from local_azure.functions_host import (
    binding_data,
    bundle,
    cors,
    function_table,
    host_config,
    host_json,
    keys,
    request_target,
    routes,
    status,
    timers,
)
from local_azure.functions_host.bindings import assistant_service
from local_azure.functions_host.bundle import Bundle, BundleError
from local_azure.functions_host.configuration import Configuration
from local_azure.functions_host.function_table import FunctionTable
from local_azure.functions_host.host_config import HostConfig
from local_azure.functions_host.host_json import HostJson, HostJsonError
from local_azure.functions_host.invoker import Invocation, InvocationError, Invoker, NotReadyError
from local_azure.functions_host.key_storage import KeyStorage
from local_azure.functions_host.responses import Response
from local_azure.functions_host.server import SERVER, FunctionResponse, Server
from local_azure.functions_host.skills import Skills, SkillTrigger
from local_azure.functions_host.status import HostRecord
from local_azure.functions_host.timers import TimerListener, TimerTrigger
from local_azure.functions_host.worker_process import Datum, IndexingResponse, WorkerProcess

log = logging.getLogger("Host.Startup")

T = TypeVar("T")

BODY_LIMIT = 104_857_600
"""Bytes; `FUNCTIONS_REQUEST_BODY_SIZE_LIMIT` changes it."""

BODY_GRACE_PERIOD = 5.0
"""Seconds in which a request body may arrive slower than at BODY_RATE (Kestrel's MinRequestBodyDataRate)."""

BODY_RATE = 240
"""Bytes a second."""

HTTP_TIMEOUT = 230.0
"""Seconds that Azure's front end waits for a response (Docs: Functions scale and hosting)."""

DRAIN_TIMEOUT = 3.5
"""Seconds for running invocations after SIGTERM; the supervisor sends SIGKILL after five."""

_HOMEPAGE = (
    b"<!DOCTYPE html><html><head><title>Your Azure Function App is up and running.</title></head>"
    b"<body><h1>Your Functions app is up and running</h1>"
    b"<p>It runs on local Azure, on this machine.</p></body></html>"
)


_JSON = (("Content-Type", "application/json; charset=utf-8"),)

_NOT_RUNNING = Response(
    503, (("Content-Type", "text/plain; charset=utf-8"),), b"Function host is not running."
)

_UNAUTHORIZED = Response(401, (("WWW-Authenticate", "Bearer"),))
"""The response of the admin API; that of a function does not have the header."""


class Host:
    def __init__(self, config: HostConfig, environment: Mapping[str, str]) -> None:
        self.config = config
        self.settings = HostJson()
        self.table = FunctionTable({}, ())
        self.record = HostRecord(
            os.getpid(), "Starting", False, time.time(), uuid.uuid4().hex, config.site, config.deployment
        )
        self._environment = environment
        self._configuration = Configuration(environment)
        self._keys = keys.load_or_create(Path(config.keys_file))
        self._levels: dict[str, keys.Level] = {}
        self._key_storage = KeyStorage(self._configuration)
        self._skills = Skills(self._run_skill)
        self._assistants = assistant_service.AssistantService(self._configuration, self._skills)
        self._invoker = Invoker(self._assistants)
        self._routes: tuple[routes.Route, ...] = ()
        self._body_limit = int(self._configuration.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT") or BODY_LIMIT)
        self._invocations: set[asyncio.Task[Any]] = set()
        self._timers: list[asyncio.Task[None]] = []

    async def load(self) -> bool:
        """Reads and indexes the package; False if it is broken and must not replace the active one."""
        errors: list[str] = []
        state: status.State = "Running"
        loaded_bundle: Bundle | None = None
        indexed = IndexingResponse(())
        if self.config.code is not None:
            root = Path(self.config.code)
            try:
                self.settings = host_json.load(root)
                if self.settings.bundle_id:
                    loaded_bundle = bundle.resolve(self.settings.bundle_id, self.settings.bundle_range)
            except (HostJsonError, BundleError) as error:
                state = "Error"
                errors.append(str(error))
            else:
                self._invoker.worker = WorkerProcess(self.config.python, root, self._environment)
                indexed = await self._invoker.worker.start()
                if indexed.error is not None:
                    errors.append(indexed.error)
                    log.error("%s", indexed.traceback or indexed.error)
        is_valid = not errors
        notices = list(self.config.notices)
        if loaded_bundle is not None and loaded_bundle.openai not in (None, bundle.EMULATED_OPENAI):
            notices.append(
                f"{loaded_bundle.id} {loaded_bundle.version} contains the OpenAI extension "
                f"{loaded_bundle.openai}; local Azure emulates {bundle.EMULATED_OPENAI}."
            )
        self.table = function_table.build(
            indexed.functions, self.settings.route_prefix, loaded_bundle, self._configuration
        )
        self._routes = self.table.routes
        self._skills.register(self.table.enabled(SkillTrigger, self._configuration))
        errors += self.table.errors
        for error in errors:
            log.error("%s", error)
        for notice in notices:
            log.warning("%s", notice)
        self.record = replace(
            self.record,
            state=state,
            functions=[*self.table.functions],
            errors=errors,
            notices=notices,
            bundle_id=loaded_bundle.id if loaded_bundle else None,
            bundle_version=loaded_bundle.version if loaded_bundle else None,
        )
        return is_valid

    def save_record(self) -> None:
        status.write(Path(self.config.status_file), self.record)

    async def warm_up(self) -> None:
        """Imports the client libraries, for which the first requests would otherwise wait 200 ms."""
        modules: list[str] = []
        if any(function.inputs or function.outputs for function in self.table.functions.values()):
            modules += ["azure.data.tables.aio", "azure.identity.aio"]
        if self._configuration.get("AzureWebJobsStorage__blobServiceUri"):
            modules.append("azure.storage.blob.aio")
        for module in modules:
            await asyncio.to_thread(importlib.import_module, module)

    def start_timers(self) -> None:
        """Starts the timer listeners; a host that does not serve has none."""
        folder = Path(self.config.keys_file).parent / "timers"
        for function, trigger in self.table.enabled(TimerTrigger, self._configuration).items():
            listener = TimerListener(function, trigger, folder, self._run_timer)
            self._timers.append(asyncio.create_task(self._listen(listener, function)))

    async def _listen(self, listener: TimerListener, function: str) -> None:
        try:
            await listener.listen()
        except Exception:
            log.exception("The listener for function 'Functions.%s' has stopped", function)

    async def _run_timer(self, function: str, parameter: str, info: str) -> None:
        invocation = Invocation(trigger=(parameter, Datum("json", info)))
        # A host that stops completes the running invocations.
        with suppress(NotReadyError, InvocationError):
            await asyncio.shield(self._start(self._invoker.run(self.table.functions[function], invocation)))

    async def close(self, awaits_requests: Callable[[], bool] = lambda: False) -> None:
        """Waits for running invocations, and for clients that have connected but not sent a request."""
        for timer in self._timers:
            timer.cancel()
        end = time.monotonic() + DRAIN_TIMEOUT
        while (self._invocations or awaits_requests()) and time.monotonic() < end:  # noqa: ASYNC110 # the condition depends on time
            await asyncio.sleep(0.02)
        if self._invoker.worker is not None:
            await self._invoker.worker.stop()
        await self._assistants.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        preflight_headers = cors.preflight(self.config.cors, request.method, request.headers)
        if preflight_headers is not None:
            return web.Response(status=204, headers=preflight_headers)
        try:
            response = await self._dispatch(request)
        except request_target.BadTargetError:
            response = Response(400)
        except Exception:
            logging.getLogger("Microsoft.AspNetCore.Server").exception("The request failed")
            response = Response(500)
        sent = FunctionResponse(status=response.status, body=response.body or None)
        sent.headers.extend(response.headers)
        sent.headers["Server"] = SERVER
        sent.headers.update(cors.response_headers(self.config.cors, request.headers))
        return sent

    async def _dispatch(self, request: web.BaseRequest) -> Response:
        raw_path, raw_query = request_target.split(request.raw_path)
        path = request_target.decode_path(raw_path)
        query = request_target.query_pairs(raw_query)
        # The header, even if it is empty, has precedence over ?code= (AuthenticationLevelHandler).
        key = request.headers.get("x-functions-key")
        if key is None:
            key = request_target.first_value(query, "code")
        if path == "/":
            return self._homepage()
        if path.lower().rstrip("/").startswith("/admin"):
            return await self._admin(request, path.lower().rstrip("/"), key)
        if self.record.state == "Error":
            return _NOT_RUNNING
        match = routes.find(self._routes, request.method, path)
        if match is None:
            return Response(404)
        level = match.route.auth_level
        if level != "anonymous" and (refusal := await self._refusal(key, level, match.route.function)):
            return refusal
        if self._configuration.is_disabled(match.route.function):
            return Response(404)
        return await self._execute(request, match, path, raw_query, query)

    async def _execute(
        self,
        request: web.BaseRequest,
        match: routes.Match,
        path: str,
        raw_query: str,
        query: list[tuple[str, str]],
    ) -> Response:
        body = await self._body(request)
        if isinstance(body, Response):
            return body
        http: dict[str, Any] = {
            "method": request.method,
            "url": f"https://{request.host}{request_target.encode_path(path)}"
            f"{'?' + raw_query if raw_query else ''}",
            "headers": _headers(request),
            "query": request_target.query_values(query),
            "params": dict(match.values),
        }

        def data() -> binding_data.BindingData:
            route = {**dict.fromkeys(routes.names(match.route.template)), **match.values}
            return binding_data.of_request(body, query, http["headers"], route)

        invocation = Invocation(data, http, body, client_disconnected=lambda: request.transport is None)
        task = self._start(self._invoke(match.route.function, invocation))
        done, _ = await asyncio.wait({task}, timeout=HTTP_TIMEOUT)
        return task.result() if done else Response(504)

    async def _body(self, request: web.BaseRequest) -> bytes | Response:
        """The body, or the error response."""
        length = request.content_length or 0
        if length > self._body_limit:
            log.error("The request body of %d bytes is over the limit of %d bytes", length, self._body_limit)
            return Response(500)
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # pyright: ignore[reportUnknownMemberType] # aiohttp leaves the buffer's type open
        # A body without Content-Length (chunked) is not passed to the worker, but its header is
        # (Azure/azure-functions-host #4926; recorded with host 4.1037).
        body = bytearray()
        started = asyncio.get_running_loop().time()
        try:
            while len(body) < length:
                async with asyncio.timeout_at(started + max(BODY_GRACE_PERIOD, len(body) / BODY_RATE)):
                    body += await request.content.readany()
                if request.content.at_eof() and len(body) < length:
                    raise ConnectionError("the client has disconnected in its body")
        except (ConnectionError, TimeoutError) as error:
            log.error("The request body cannot be read: %s", error or "it arrives too slowly")
            return Response(500)
        return bytes(body)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs as a task, which neither the front end's timeout nor a client that disconnects cancels."""
        task = asyncio.create_task(work)
        self._invocations.add(task)
        task.add_done_callback(self._invocations.discard)
        return task

    async def _invoke(self, function: str, invocation: Invocation) -> Response:
        try:
            return (await self._invoker.run(self.table.functions[function], invocation)).response
        except NotReadyError:
            return _NOT_RUNNING
        except InvocationError:
            return Response(500)

    async def _run_skill(self, function: str, parameter: str, argument: str | None) -> str | None:
        invocation = Invocation(trigger=(parameter, Datum("string", argument)))
        outcome = await self._invoker.run(self.table.functions[function], invocation)
        return outcome.returned

    def _homepage(self) -> Response:
        if (self._configuration.get("AzureWebJobsDisableHomepage") or "").lower() in ("true", "1"):
            return Response(204)
        return Response(200, (("Content-Type", "text/html"),), _HOMEPAGE)

    async def _admin(self, request: web.BaseRequest, path: str, key: str | None) -> Response:
        if path == "/admin/host/ping" and request.method in ("GET", "POST"):
            return Response(200, (("Cache-Control", "no-store,no-cache"), ("Pragma", "no-cache")))
        if path == "/admin/host/status" and request.method == "GET":
            if refusal := await self._refusal(key, "admin"):
                return refusal
            return Response(200, _JSON, json.dumps(status.host_status(self.record)).encode())
        name = path.removeprefix("/admin/functions/")
        if name != path and name.endswith("/keys") and request.method == "GET":
            return await self._refusal(key, "admin") or self._function_keys(request, name[: -len("/keys")])
        if name != path and "/" not in name and request.method == "POST":
            if refusal := await self._refusal(key, "admin"):
                return refusal
            return await self._invoke_manually(request, name)
        return Response(404)

    def _function_keys(self, request: web.BaseRequest, name: str) -> Response:
        names = [function for function in self.table.functions if function.lower() == name]
        if not names:
            return Response(404)
        href = f"https://{request.host}/admin/functions/{names[0]}/keys"
        default = {"name": "default", "value": self._keys.of_function(name)}
        content = {"keys": [default], "links": [{"rel": "self", "href": href}]}
        return Response(200, _JSON, json.dumps(content, separators=(",", ":")).encode())

    async def _refusal(self, key: str | None, level: str, function: str | None = None) -> Response | None:
        """The error response to a key that does not give access to the level, else None.

        The host reads its keys only if the request has one (AuthenticationLevelHandler.cs).
        """
        given: keys.Level = "anonymous"
        if key:
            if not await self._key_storage.readable():
                return Response(500)
            # A key that was right once is accepted in any case (recordings cold/lower-key-after).
            cached = f"{key}{function or ''}".upper()
            given = self._levels.get(cached) or self._keys.level(key, function)
            if given != "anonymous":
                self._levels[cached] = given
        if given in ("admin", level):
            return None
        if function is not None:
            return Response(401)
        return _UNAUTHORIZED if given == "anonymous" else Response(403)

    async def _invoke_manually(self, request: web.BaseRequest, name: str) -> Response:
        """Responds 202 at once, also for a disabled function; the outcome is in the log."""
        if self.record.state == "Error":
            return _NOT_RUNNING
        body = await self._body(request)
        if isinstance(body, Response):
            return body
        if request.content_type != "application/json":
            return Response(415)
        try:
            content: object = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            text = b'The body must be a JSON object such as {"input": "text"}.'
            return Response(400, (("Content-Type", "text/plain; charset=utf-8"),), text)
        functions = {function.name.lower(): function for function in self.table.functions.values()}
        if name not in functions:
            return Response(404)
        function = functions[name]
        trigger = function.trigger
        if isinstance(trigger, TimerTrigger):
            info = timers.timer_info(trigger, None, past_due=False)
            self._start(self._run_timer(function.name, trigger.parameter, info))
        else:
            # Azure accepts the request, too, and then fails to convert the input.
            kind = "an HttpRequest" if isinstance(trigger, routes.Route) else "a SkillInvocationContext"
            logging.getLogger(f"Function.{function.name}").error(
                "Executed 'Functions.%s' (Failed): the input %r is not %s: only timers can be run manually.",
                function.name,
                cast("dict[str, object]", content).get("input"),
                kind,
            )
        return Response(202)


def _headers(request: web.BaseRequest) -> dict[str, str]:
    """By lower-case name; several headers of one name are joined (recording http/echo-all-headers)."""
    values_by_name: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        values_by_name.setdefault(name.lower(), []).append(value)
    return {name: request_target.joined_values(values) for name, values in values_by_name.items()}


def _set_up_logging(host: Host) -> None:
    for name, level in host_json.LEVELS.items():
        logging.addLevelName(level, name.capitalize())
    formatter = logging.Formatter("%(asctime)s [%(levelname)s] %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    handler.addFilter(lambda record: host.settings.logs(record.name, record.levelno))
    root = logging.getLogger()
    root.setLevel(host_json.LEVELS["trace"])
    root.addHandler(handler)
    # These libraries are not part of the host on Azure.
    for name in ("azure", "asyncio", "aiohttp", "msal", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


async def run(config: HostConfig) -> None:
    host = Host(config, os.environ)
    _set_up_logging(host)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    is_valid = await host.load()
    if not is_valid and not _is_active(config):
        # The previous host continues to serve.
        host.save_record()
        await stopped.wait()
        await host.close()
        return
    server = Server(host.handle)
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    # Not a duplicate of the descriptor, which would keep the port open until this process ends.
    listener = socket.socket(fileno=config.socket)
    listener.setblocking(False)
    await web.SockSite(runner, listener, ssl_context=_tls(config), backlog=128).start()
    host.record = replace(host.record, serving=True)
    host.save_record()
    host.start_timers()
    log.info(
        "Job host started for %s with Python %s: functions %s",
        config.deployment or "a site without code",
        config.python,
        ", ".join(host.record.functions) or "(none)",
    )
    warming = asyncio.create_task(host.warm_up())
    await stopped.wait()
    await _stop_listening(runner)
    await host.close(server.awaits_requests)
    await runner.cleanup()
    with suppress(asyncio.CancelledError):
        await warming


async def _stop_listening(runner: web.ServerRunner) -> None:
    """Leaves new connections to the next host on this socket."""
    for site in list(runner.sites):
        await site.stop()
    await asyncio.sleep(0)  # asyncio creates the protocol of an accepted connection in a task


def _is_active(config: HostConfig) -> bool:
    try:
        return Path(config.active_file).read_text().strip() == (config.deployment or "")
    except FileNotFoundError:
        return False


def _tls(config: HostConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.certificate, config.certificate_key)
    return context


def main() -> None:
    asyncio.run(run(host_config.read(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
