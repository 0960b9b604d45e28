"""The Python worker: imports a function app and runs its functions in a process of its own.

Run as `python -I -S worker.py FD ROOT` by the Python of the site. It imports only the standard library and
the libraries in the zip, azure.functions among them, as on Azure. FD is a connected socket, on which each
line is a JSON object. The host imports this module for the encoding of messages and values.
"""

import asyncio
import base64
import concurrent.futures
import contextvars
import importlib
import inspect
import json
import logging
import os
import signal
import socket
import sys
import threading
import traceback
import types
import typing
from collections.abc import Iterator, Mapping

SCRIPT = "function_app"
PACKAGES = os.path.join(".python_packages", "lib", "site-packages")  # noqa: PTH118 # pathlib costs 10 ms of start
Message = dict[str, typing.Any]

_thread = threading.local()
"""`invocation_id`: of the function that runs in this thread, or the value that the app has set."""

_task_invocation: contextvars.ContextVar[str | None] = contextvars.ContextVar("invocation", default=None)
"""The invocation of an asyncio task, and of the tasks that it creates."""


def encode(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\n"


class Datum(typing.NamedTuple):
    """A value of a binding, as azure.functions has it and as protobuf's TypedData has it on Azure."""

    value: typing.Any
    type: str | None
    """`string`, `json`, `bytes`, `int`, `double` or `http`."""


def to_message(datum: typing.Any) -> Message | None:
    """A Datum, or one of azure.functions, for the other process; None for no value."""
    if datum is None:
        return None
    value = datum.value
    if datum.type == "bytes":
        value = base64.b64encode(value).decode()
    elif datum.type == "http":
        value = {**value, "body": to_message(value["body"])}
    return {"type": datum.type, "value": value}


def from_message(message: Message) -> Datum:
    value = message["value"]
    if message["type"] == "bytes":
        value = base64.b64decode(value)
    elif message["type"] == "http":
        value = {**value, "body": value["body"] and from_message(value["body"])}
    return Datum(value, message["type"])


class FunctionLoadError(RuntimeError):
    """A function does not match its bindings. The name is that of Azure's worker."""


class Function(typing.NamedTuple):
    name: str
    handler: typing.Callable[..., typing.Any]
    bindings: list[Message]
    takes_context: bool
    kinds: Mapping[str, str]
    """Types of the bindings by their name; `generic`, which has no converter, for text or bytes.

    Without a binding `$return` the return value is for the trigger's extension.
    """
    returns: bool
    """It has a binding for a return value: `$return`, or one that azure.functions has no converter for."""


def current_invocation_id() -> str | None:
    """Threads do not inherit the invocation of the task that uses them, as in Azure's worker."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return getattr(_thread, "invocation_id", None)
    return _task_invocation.get()


def is_output(binding: Message) -> bool:
    return binding["direction"].upper() == "OUT"


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
        logger.setLevel(logging.INFO)
        logger.addHandler(LogHandler(self))
        self.send(self.index())
        self._indexed = True
        asyncio.run(self._serve())

    def send(self, message: Message) -> None:
        data = encode(message)
        try:
            with self._sending:
                self._channel.sendall(data)
        except OSError:
            os._exit(0)  # the host has ended

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), name="reader", daemon=True).start()
        await asyncio.Event().wait()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs in a thread: the worker ends with the host also while a handler blocks the event loop."""
        for line in self._channel.makefile("rb"):
            loop.call_soon_threadsafe(self._accept, json.loads(line))
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

    def _accept(self, message: Message) -> None:
        task = asyncio.ensure_future(self._invoke(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def index(self) -> Message:
        """Imports the app: its functions, or the error."""
        try:
            sys.path[:0] = [os.path.join(self._root, PACKAGES), self._root]  # noqa: PTH118 # as above
            if not os.path.isfile(os.path.join(self._root, SCRIPT + ".py")):  # noqa: PTH113, PTH118 # as above
                raise FileNotFoundError(
                    f"{SCRIPT}.py is missing at the root of the zip: there are no functions."
                )
            self._library = importlib.import_module("azure.functions")
            functions = load_functions(importlib.import_module(SCRIPT), self._library)
        except Exception as error:  # noqa: BLE001 # the app's import may raise anything
            text, trace = f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
            return {"kind": "indexed", "functions": [], "error": text, "traceback": trace}
        self._functions = {function.name: function for function in functions}
        indexed = [(function.name, function.bindings) for function in functions]
        return {"kind": "indexed", "functions": indexed, "error": None, "traceback": None}

    async def _invoke(self, message: Message) -> None:
        response: Message = {"kind": "response", "id": message["id"]}
        try:
            function = self._functions[message["function"]]
            self._running[message["id"]] = function.name
            _task_invocation.set(message["id"])
            outs = {
                binding["name"]: make_out(self._library)
                for binding in function.bindings
                if is_output(binding) and binding["name"] != "$return"
            }
            arguments = {**outs, **self._decode(function, message["inputs"])}
            if function.takes_context:
                arguments["context"] = make_context(self._library, message["id"], function)
            returned = await self._call(function, message["id"], arguments)
            if returned is not None and not function.returns:
                raise RuntimeError(
                    f"function {function.name!r} without a $return binding returned a non-None value"
                )
            values = {**{name: out.get() for name, out in outs.items()}, "$return": returned}
            response["outputs"] = self._encode(function, values)
        except Exception as error:  # noqa: BLE001 # as in Azure's worker, which SystemExit ends
            response["traceback"] = "".join(traceback.format_exception(error))
        self._running.pop(message["id"], None)
        self.send(response)

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

    def _decode(self, function: Function, inputs: Message) -> Message:
        arguments: Message = {}
        for name, message in inputs.items():
            datum = from_message(message)
            if datum.type == "http":
                datum = request_datum(datum.value)
            converter = self._library.get_binding_registry().get(function.kinds[name])
            # Without a converter the handler gets a string, also if its annotation is `bytes`.
            value = datum.value if converter is None else converter.decode(datum, trigger_metadata={})
            arguments[name] = value
        return arguments

    def _encode(self, function: Function, values: Message) -> Message:
        """The outputs, `$return` among them."""
        outputs: Message = {}
        for name, value in values.items():
            kind = function.kinds[name]
            if value is None and (name, kind) != ("$return", "http"):
                continue
            converter = self._library.get_binding_registry().get(kind)
            try:
                datum = (
                    generic_datum(value, kind)
                    if converter is None
                    else converter.encode(value, expected_type=None)
                )
            except NotImplementedError:
                raise _unsupported(value, kind) from None
            if datum is not None:
                outputs[name] = to_message(response_datum(datum.value) if datum.type == "http" else datum)
        return outputs


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


def load_functions(module: typing.Any, library: typing.Any) -> list[Function]:
    """The functions of the module's FunctionApp. Raises FunctionLoadError and what azure.functions raises."""
    names: Message = module.__dict__
    apps: list[typing.Any] = [
        value for value in names.values() if isinstance(value, library.FunctionRegister)
    ]
    if not apps:
        raise ValueError(f"Could not find top level function app instances in {SCRIPT}.py.")
    if len(apps) > 1:
        name = type(apps[0]).__name__
        raise ValueError(f"More than one {name} or other top level function app instances are defined.")
    return [_function(function, library) for function in apps[0].get_functions()]


def _function(source: typing.Any, library: typing.Any) -> Function:
    name: str = source.get_function_name()
    handler = source.get_user_function()
    bindings: list[Message] = [json.loads(text) for text in source.get_raw_bindings()]
    problem = next(_problems(handler, bindings, library), None)
    if problem:
        raise FunctionLoadError(f"cannot load the {name} function: {problem}")
    names = {binding["name"] for binding in bindings}
    returns = "$return" in names or any(
        _has_implicit_output(binding["type"], library) for binding in bindings
    )
    annotations = typing.get_type_hints(handler)
    triggers = (binding["type"] for binding in bindings if binding["type"].lower().endswith("trigger"))
    kinds = {"$return": next(triggers, "")} | {
        binding["name"]: _kind(annotations.get(binding["name"]), binding, library) for binding in bindings
    }
    takes_context = "context" in inspect.signature(handler).parameters and "context" not in names
    return Function(name, handler, bindings, takes_context, kinds, returns)


def _problems(handler: typing.Any, bindings: list[Message], library: typing.Any) -> Iterator[str]:
    """Differences between a handler's signature and its bindings, for which Azure's worker refuses it."""
    bound = {binding["name"].replace("$return", "return"): binding for binding in bindings}
    parameters = set(inspect.signature(handler).parameters)
    annotations = typing.get_type_hints(handler)
    if "context" in parameters and "context" not in bound:
        parameters.remove("context")
        if annotations.get("context", library.Context).__name__ != "Context":
            yield 'the "context" parameter is expected to be of type azure.functions.Context'
    if unbound := parameters - set(bound):
        yield (
            "the following parameters are declared in Python but not in the function definition "
            f"(function.json or function decorators):  {unbound!r}"
        )
    if missing := set(bound) - parameters - {"return"}:
        yield (
            "Extra parameters in binding definition — the following parameters are declared as bindings but "
            f"are not present in Python: {missing!r}"
        )
    for name in filter(bound.__contains__, annotations):
        if not _fits(annotations[name], bound[name], library):
            binding = f'the {bound[name]["direction"]} binding "{bound[name]["type"]}"'
            yield f"the annotation {annotations[name]!r} of {name!r} does not match {binding}"


def _fits(annotation: typing.Any, binding: Message, library: typing.Any) -> bool:
    is_return = binding["name"] == "$return"
    is_out = (typing.get_origin(annotation) or annotation) is library.Out
    declared = typing.get_args(annotation) if is_out else (annotation,)
    if is_out is not (is_output(binding) and not is_return):
        return False
    if len(declared) != 1 or not isinstance(declared[0], type):
        return False
    kind = binding["type"] if is_return else _kind(annotation, binding, library)
    converter = library.get_binding_registry().get(kind)
    if converter is None:
        return issubclass(declared[0], (str, bytes, bytearray) if is_output(binding) else (str, bytes))
    if is_output(binding):
        return converter.check_output_type_annotation(declared[0])
    return converter.check_input_type_annotation(declared[0])


def _has_implicit_output(kind: str, library: typing.Any) -> bool:
    converter = library.get_binding_registry().get(kind)
    return converter is None or getattr(converter, "has_implicit_output", lambda: False)()


def _kind(annotation: typing.Any, binding: Message, library: typing.Any) -> str:
    if typing.get_origin(annotation) is library.Out:
        (annotation,) = typing.get_args(annotation)
    is_plain = annotation in (str, bytes) and not _has_implicit_output(binding["type"], library)
    return "generic" if is_plain else binding["type"]


def request_datum(http: Message) -> Datum:
    """With the names and the nesting that azure.functions expects."""
    value: Message = {name: Datum(http[name], "string") for name in ("method", "url")}
    for name in ("headers", "query", "params"):
        value[name] = {key: Datum(text, "string") for key, text in http[name].items()}
    return Datum({**value, "body": http["body"]}, "http")


def response_datum(http: Message) -> Datum:
    """The response of azure.functions without its nesting."""
    response = {
        "status": http["status_code"].value,
        "headers": {name: header.value for name, header in http["headers"].items()},
        "cookies": [morsel.OutputString() for jar in http["cookies"] or () for morsel in jar.values()],
        "body": http["body"],
    }
    return Datum(response, "http")


def generic_datum(value: typing.Any, kind: str) -> Datum:
    """Encodes the value of an output binding of a type that azure.functions has no converter for."""
    if isinstance(value, str):
        return Datum(value, "string")
    if isinstance(value, (bytes, bytearray)):
        return Datum(bytes(value), "bytes")
    if isinstance(value, (dict, list)):
        return Datum(json.dumps(value), "json")
    if isinstance(value, (int, float)):
        # Azure's worker tests for int before bool. It sends a number, which the host writes as JSON.
        return Datum(json.dumps(int(value) if isinstance(value, int) else value), "json")
    raise _unsupported(value, kind)


def _unsupported(value: typing.Any, kind: str) -> TypeError:
    name = type(value).__name__
    return TypeError(
        f'unable to encode outgoing TypedData: unsupported type "{kind}" for Python type "{name}"'
    )


def make_out(library: typing.Any) -> typing.Any:
    class Out(library.Out):
        _value: typing.Any = None

        def set(self, val: typing.Any) -> None:
            self._value = val

        def get(self) -> typing.Any:
            return self._value

    return Out()


def make_context(library: typing.Any, invocation_id: str, function: Function) -> typing.Any:
    values = {
        "invocation_id": invocation_id,
        "function_name": function.name,
        "function_directory": os.path.dirname(inspect.getfile(function.handler)),  # noqa: PTH120 # as above
        "thread_local_storage": _thread,
        "trace_context": types.SimpleNamespace(trace_parent="", trace_state="", attributes={}),
        "retry_context": types.SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
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
