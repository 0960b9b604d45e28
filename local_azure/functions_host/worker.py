"""The Python worker: imports a function app and runs its functions in a process of its own.

Run as `python -I -S worker.py FD ROOT` by the Python of the site. It imports only the standard library and
the libraries in the zip, azure.functions among them, as on Azure. FD is a connected socket. A frame on it is
two big-endian 32-bit lengths, a JSON object and bytes (the body of a request or response). The host imports
this module only for `encode` and `HEADER`.
"""

import asyncio
import base64
import concurrent.futures
import importlib
import inspect
import json
import logging
import os
import signal
import socket
import struct
import sys
import threading
import traceback
import typing

HEADER = struct.Struct("!II")
SCRIPT = "function_app"
PACKAGES = os.path.join(".python_packages", "lib", "site-packages")  # noqa: PTH118 # pathlib costs 10 ms of start
Message = dict[str, typing.Any]

_thread = threading.local()
"""`invocation_id`: of the function that runs in this thread, or the value that the app has set."""


def encode(message: Message, payload: bytes = b"") -> bytes:
    header = json.dumps(message).encode()
    return HEADER.pack(len(header), len(payload)) + header + payload


class Datum:
    """A value for the converters of azure.functions."""

    def __init__(self, value: typing.Any, type: str | None) -> None:  # noqa: A002 # the library's name
        self.value = value
        self.type = type


class LoadError(Exception):
    """A function does not match its bindings."""


class Function(typing.NamedTuple):
    name: str
    handler: typing.Callable[..., typing.Any]
    bindings: list[Message]
    takes_context: bool

    @property
    def trigger(self) -> Message:
        return next(binding for binding in self.bindings if binding["type"].lower().endswith("trigger"))

    @property
    def inputs(self) -> list[Message]:
        """Including the trigger."""
        return [binding for binding in self.bindings if binding["direction"].upper() != "OUT"]

    @property
    def outputs(self) -> list[Message]:
        return [binding for binding in self.bindings if binding["direction"].upper() == "OUT"]


class InvocationTask(asyncio.Task[typing.Any]):
    """Inherits the invocation id of the task that creates it; threads do not, as in Azure's worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: typing.Any, **options: typing.Any) -> None:
        super().__init__(coroutine, loop=loop, **options)
        self.invocation_id: str | None = getattr(asyncio.current_task(loop), "invocation_id", None)


def current_invocation_id() -> str | None:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        task = None
    invocation_id: str | None = getattr(task, "invocation_id", None) or getattr(
        _thread, "invocation_id", None
    )
    return invocation_id


class Worker:
    def __init__(self, channel: socket.socket, root: str) -> None:
        self._channel = channel
        self._root = root
        self._sending = threading.Lock()
        self._functions: dict[str, Function] = {}
        self._library: typing.Any = None
        self._tasks: set[asyncio.Task[None]] = set()
        threads = int(os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT") or 0) or None
        # Not asyncio's default executor, which apps use, too.
        self._threads = concurrent.futures.ThreadPoolExecutor(threads, "function")
        self._indexed = False
        self._running: dict[str | None, str] = {}
        """Name of the function by invocation id."""

    def run(self) -> None:
        logger = logging.getLogger()
        logger.setLevel(
            logging.DEBUG if os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING") == "1" else logging.INFO
        )
        logger.addHandler(LogHandler(self))
        self.send(self._index())
        self._indexed = True
        asyncio.run(self._serve())

    def send(self, message: Message, payload: bytes = b"") -> None:
        data = encode(message, payload)
        try:
            with self._sending:
                self._channel.sendall(data)
        except OSError:
            os._exit(0)  # the host has ended

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(InvocationTask)
        threading.Thread(target=self._read, args=(loop,), name="reader", daemon=True).start()
        await asyncio.Event().wait()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs in a thread: the worker ends with the host also while a handler blocks the event loop."""
        stream = self._channel.makefile("rb")
        while len(start := stream.read(HEADER.size)) == HEADER.size:
            length, payload_length = HEADER.unpack(start)
            message = json.loads(stream.read(length))
            payload = stream.read(payload_length)
            loop.call_soon_threadsafe(self._accept, message, payload)
        os._exit(0)

    def category(self, record: logging.LogRecord) -> str | None:
        """The category of a log record; None for one that the host on Azure drops.

        The host needs the invocation id, which a thread of the app does not have
        (Azure/azure-functions-python-worker #1158) unless the app sets
        `context.thread_local_storage.invocation_id`.
        """
        function = self._running.get(current_invocation_id())
        if function is not None:
            return f"Function.{function}.User"
        return None if self._indexed else f"Worker.{record.name}"

    def _accept(self, message: Message, body: bytes) -> None:
        task = asyncio.ensure_future(self._invoke(message, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _index(self) -> Message:
        try:
            sys.path[:0] = [os.path.join(self._root, PACKAGES), self._root]  # noqa: PTH118 # as above
            if not os.path.isfile(os.path.join(self._root, SCRIPT + ".py")):  # noqa: PTH113, PTH118 # as above
                raise LoadError(f"{SCRIPT}.py is missing at the root of the zip: there are no functions.")
            self._library = importlib.import_module("azure.functions")
            functions = load_functions(importlib.import_module(SCRIPT), self._library)
        except BaseException as error:  # noqa: BLE001 # the app's import may raise anything
            trace = "".join(traceback.format_exception(error))
            return {"kind": "indexed", "functions": [], "error": describe(error), "traceback": trace}
        self._functions = {function.name: function for function in functions}
        return {
            "kind": "indexed",
            "functions": [{"name": function.name, "bindings": function.bindings} for function in functions],
            "error": None,
        }

    async def _invoke(self, message: Message, body: bytes) -> None:
        response: Message = {"kind": "response", "id": message["id"], "ok": True}
        content = b""
        try:
            function = self._functions[message["function"]]
            self._running[message["id"]] = function.name
            typing.cast("InvocationTask", asyncio.current_task()).invocation_id = message["id"]
            outs = {
                binding["name"]: make_out(self._library)
                for binding in function.outputs
                if binding["name"] != "$return"
            }
            arguments = {**outs, **self._decode(function, message, body)}
            if function.takes_context:
                arguments["context"] = make_context(self._library, message["id"], function.name, self._root)
            returned = await self._call(function, message["id"], arguments)
            response["outputs"], response["response"], content = self._encode(function, outs, returned)
            response["returned"] = self._encode_returned(function, returned)
        except BaseException as error:  # noqa: BLE001 # a handler may raise anything, SystemExit too
            response |= {
                "ok": False,
                "error": f"{type(error).__name__}: {error}",
                "traceback": "".join(traceback.format_exception(error)),
            }
            content = b""
        self._running.pop(message["id"], None)
        self.send(response, content)

    async def _call(self, function: Function, invocation_id: str, arguments: Message) -> typing.Any:
        if inspect.iscoroutinefunction(function.handler):
            return await function.handler(**arguments)

        def run() -> typing.Any:
            _thread.invocation_id = invocation_id
            try:
                return function.handler(**arguments)
            finally:
                _thread.invocation_id = None

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def _decode(self, function: Function, message: Message, body: bytes) -> Message:
        arguments: Message = {}
        for binding in function.inputs:
            converter = self._library.get_binding_registry().get(binding["type"])
            if binding["type"].lower() == "httptrigger":
                datum = http_datum(message["http"], body)
            else:
                given = message["inputs"][binding["name"]]
                datum = Datum(given["value"], given["type"])
            # Without a converter the handler gets a string, also if its annotation is `bytes`.
            value = datum.value if converter is None else converter.decode(datum, trigger_metadata={})
            arguments[binding["name"]] = value
        return arguments

    def _encode(
        self, function: Function, outs: Message, returned: typing.Any
    ) -> tuple[Message, Message | None, bytes]:
        outputs: Message = {}
        response, content = None, b""
        for binding in function.outputs:
            name = binding["name"]
            value = returned if name == "$return" else outs[name].get()
            converter = self._library.get_binding_registry().get(binding["type"])
            if binding["type"].lower() == "http":
                if name == "$return" or value is not None:
                    response, content = encode_http(converter, value)
            elif value is not None:
                datum = (
                    generic_datum(value) if converter is None else converter.encode(value, expected_type=None)
                )
                outputs[name] = {"type": datum.type, "value": datum.value}
                if datum.type == "bytes":
                    outputs[name]["value"] = base64.b64encode(datum.value).decode()
        return outputs, response, content

    def _encode_returned(self, function: Function, returned: typing.Any) -> Message | None:
        """The return value goes to the trigger's extension if there is no converter, as for a skill."""
        kind = function.trigger["type"]
        return None if self._library.get_binding_registry().get(kind) is not None else encode_return(returned)


class LogHandler(logging.Handler):
    """Sends log records to the host, which filters them by the log levels of host.json."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        category = self._worker.category(record)
        if category is not None:
            text = self.format(record)
            self._worker.send({"kind": "log", "level": record.levelno, "category": category, "message": text})


def describe(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        text += (
            ". Cannot find module. Please check the requirements.txt file for the missing module. For more "
            "info, please refer the troubleshooting guide: https://aka.ms/functions-modulenotfound"
        )
    return text


def load_functions(module: typing.Any, library: typing.Any) -> list[Function]:
    """The functions of the module's FunctionApp. Raises LoadError and the errors of azure.functions."""
    names: Message = module.__dict__
    apps: list[typing.Any] = [
        value for value in names.values() if isinstance(value, library.FunctionRegister)
    ]
    if len(apps) != 1:
        raise LoadError(
            f"{'More than one' if apps else 'Could not find a'} top level function app instance "
            f"in {SCRIPT}.py; there must be exactly one FunctionApp."
        )
    functions = [_function(function, library) for function in apps[0].get_functions()]
    if not functions:
        raise LoadError(f"The FunctionApp in {SCRIPT}.py has no functions.")
    return functions


def _function(source: typing.Any, library: typing.Any) -> Function:
    name: str = source.get_function_name()
    handler = source.get_user_function()
    bindings: list[Message] = [json.loads(text) for text in source.get_raw_bindings()]
    bound = {binding["name"]: binding for binding in bindings if binding["name"] != "$return"}
    parameters = dict(inspect.signature(handler).parameters)
    takes_context = "context" in parameters and "context" not in bound
    if takes_context:
        del parameters["context"]
    problem = None
    if missing := set(bound) - set(parameters):
        problem = f"the following parameters are declared in bindings but not in Python: {sorted(missing)}"
    elif unbound := set(parameters) - set(bound):
        problem = (
            f"the following parameters are declared in Python but not in the function definition: "
            f"{sorted(unbound)}"
        )
    else:
        annotations = typing.get_type_hints(handler)
        problems = (
            _annotation_problem(annotations[parameter], bound[parameter], library)
            for parameter in parameters
            if parameter in annotations
        )
        problem = next(filter(None, problems), None)
    if problem:
        raise LoadError(f"cannot load the {name} function: {problem}")
    return Function(name, handler, bindings, takes_context)


def _annotation_problem(annotation: typing.Any, binding: Message, library: typing.Any) -> str | None:
    parameter, kind = binding["name"], binding["type"]
    is_out = (typing.get_origin(annotation) or annotation) is library.Out
    if is_out != (binding["direction"].upper() == "OUT"):
        return (
            f"binding {parameter} is declared to have the {binding['direction'].lower()!r} direction, but "
            f"its annotation in Python is {'' if is_out else 'not '}a subclass of azure.functions.Out"
        )
    if is_out:
        return None
    if not isinstance(annotation, type):
        return f"binding {parameter} has invalid non-type annotation {annotation!r}"
    converter = library.get_binding_registry().get(kind)
    fits = (
        issubclass(annotation, (str, bytes))
        if converter is None
        else converter.check_input_type_annotation(annotation)
    )
    if fits:
        return None
    return (
        f'type of {parameter} binding in function.json "{kind}" does not match its Python annotation '
        f'"{annotation.__name__}"'
    )


def http_datum(http: Message, body: bytes) -> Datum:
    value: Message = {name: Datum(http[name], "string") for name in ("method", "url")}
    for name in ("headers", "query", "params"):
        value[name] = {key: Datum(text, "string") for key, text in http[name].items()}
    return Datum({**value, "body": Datum(body, "bytes")}, "http")


def generic_datum(value: typing.Any) -> Datum:
    """Encodes the output of a binding type that azure.functions has no converter for."""
    if isinstance(value, str):
        return Datum(value, "string")
    if isinstance(value, (bytes, bytearray)):
        return Datum(bytes(value), "bytes")
    if isinstance(value, (dict, list)):
        return Datum(json.dumps(value), "json")
    raise TypeError(f'unable to encode outgoing TypedData: unsupported Python type "{type(value).__name__}"')


def encode_return(value: typing.Any) -> Message | None:
    if value is None:
        return None
    if isinstance(value, (int, float)):
        # Azure's worker tests for int before bool.
        return {"type": "json", "value": json.dumps(int(value) if isinstance(value, int) else value)}
    datum = generic_datum(value)
    if datum.type == "bytes":
        return {"type": "string", "value": base64.b64encode(datum.value).decode()}
    return {"type": datum.type, "value": datum.value}


def encode_http(converter: typing.Any, value: typing.Any) -> tuple[Message, bytes]:
    try:
        datum = converter.encode(value, expected_type=None)
    except NotImplementedError:
        raise TypeError(
            f'unable to encode outgoing TypedData: unsupported type "{converter}" for Python type '
            f'"{type(value).__name__}"'
        ) from None
    if datum.type == "string":
        return {"type": "string"}, datum.value.encode("utf-8")
    http = datum.value
    cookies = [morsel.OutputString() for jar in http.get("cookies") or () for morsel in jar.values()]
    response = {
        "type": "http",
        "status": http["status_code"].value,
        "headers": {name: header.value for name, header in http["headers"].items()},
        "cookies": cookies,
    }
    return response, http["body"].value


def make_out(library: typing.Any) -> typing.Any:
    class Out(library.Out):
        _value: typing.Any = None

        def set(self, val: typing.Any) -> None:
            self._value = val

        def get(self) -> typing.Any:
            return self._value

    return Out()


def make_context(library: typing.Any, invocation_id: str, function_name: str, directory: str) -> typing.Any:
    values = {
        "invocation_id": invocation_id,
        "function_name": function_name,
        "function_directory": directory,
        "thread_local_storage": _thread,
        "trace_context": None,
        "retry_context": None,
    }
    return type("Context", (library.Context,), values)()


def main() -> None:
    import site  # noqa: PLC0415 # -S skips these, and apps may use them

    # A signal to the process group is meant for the host, which first completes the running functions.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    site.setquit()
    site.setcopyright()
    os.chdir(sys.argv[2])
    Worker(socket.socket(fileno=int(sys.argv[1])), sys.argv[2]).run()


if __name__ == "__main__":
    main()
