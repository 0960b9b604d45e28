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
import types
import typing
from collections.abc import Mapping

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


class FunctionLoadError(RuntimeError):
    """A function does not match its bindings. The name and the messages are those of Azure's worker."""


class Function(typing.NamedTuple):
    name: str
    handler: typing.Callable[..., typing.Any]
    bindings: list[Message]
    takes_context: bool
    kinds: Mapping[str, str]
    """Types of the bindings by their name; `generic`, which has no converter, for text or bytes."""
    returns: bool
    """It has a binding for a return value: `$return`, or one that azure.functions has no converter for."""

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
        self.send(self.index())
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
                arguments["context"] = make_context(self._library, message["id"], function)
            returned = await self._call(function, message["id"], arguments)
            if returned is not None and not function.returns:
                raise RuntimeError(
                    f"function {function.name!r} without a $return binding returned a non-None value"
                )
            response["outputs"], response["response"], content = self._encode(function, outs, returned)
            response["returned"] = self._encode_returned(function, returned)
        except Exception as error:  # noqa: BLE001 # as in Azure's worker, which SystemExit ends
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
            converter = self._library.get_binding_registry().get(function.kinds[binding["name"]])
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
            converter = self._library.get_binding_registry().get(function.kinds[name])
            if binding["type"].lower() == "http":
                if name == "$return" or value is not None:
                    response, content = encode_http(converter, value)
            elif value is not None:
                datum = (
                    generic_datum(value, function.kinds[name])
                    if converter is None
                    else converter.encode(value, expected_type=None)
                )
                outputs[name] = {"type": datum.type, "value": datum.value}
                if datum.type == "bytes":
                    outputs[name]["value"] = base64.b64encode(datum.value).decode()
        return outputs, response, content

    def _encode_returned(self, function: Function, returned: typing.Any) -> Message | None:
        """The return value goes to the trigger's extension if there is no `$return`, as for a skill."""
        outputs = [binding["name"] for binding in function.outputs]
        return None if "$return" in outputs else encode_return(returned, function.bindings[-1]["type"])


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
    if isinstance(error, ImportError):
        text = (
            f"{text.rstrip('.')}. Cannot find module. Please check the requirements.txt file for the missing "
            "module. For more info, please refer the troubleshooting guide: "
            f"https://aka.ms/functions-modulenotfound. Current sys.path: {' '.join(sys.path)}"
        )
    return text


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
    bound = {binding["name"]: binding for binding in bindings if binding["name"] != "$return"}
    parameters = dict(inspect.signature(handler).parameters)
    annotations = typing.get_type_hints(handler)
    takes_context = "context" in parameters and "context" not in bound
    if takes_context:
        del parameters["context"]
    annotation = annotations.get("context")
    if takes_context and annotation and getattr(annotation, "__name__", None) != "Context":
        problem = (
            f'the "context" parameter is expected to be of type azure.functions.Context, got "{annotation!r}"'
        )
    elif unbound := set(parameters) - set(bound):
        problem = (
            "the following parameters are declared in Python but not in the function definition "
            f"(function.json or function decorators):  {unbound!r}"
        )
    elif missing := set(bound) - set(parameters):
        problem = (
            "Extra parameters in binding definition — the following parameters are declared as bindings but "
            f"are not present in Python: {missing!r}"
        )
    else:
        problems = [
            _annotation_problem(annotations[parameter], bound[parameter], library)
            for parameter in parameters
            if parameter in annotations
        ]
        returned = next((binding["type"] for binding in bindings if binding["name"] == "$return"), None)
        if returned and "return" in annotations:
            problems.append(_return_problem(annotations["return"], returned, library))
        problem = next(filter(None, problems), None)
    if problem:
        raise FunctionLoadError(f"cannot load the {name} function: {problem}")
    returns = any(
        binding["name"] == "$return" or _has_implicit_output(binding["type"], library) for binding in bindings
    )
    kinds = {
        binding["name"]: _kind(annotations.get(binding["name"]), binding, library) for binding in bindings
    }
    return Function(name, handler, bindings, takes_context, kinds, returns)


def _has_implicit_output(kind: str, library: typing.Any) -> bool:
    converter = library.get_binding_registry().get(kind)
    return converter is None or getattr(converter, "has_implicit_output", lambda: False)()


def _kind(annotation: typing.Any, binding: Message, library: typing.Any) -> str:
    if typing.get_origin(annotation) is library.Out:
        (annotation,) = typing.get_args(annotation)
    is_plain = annotation in (str, bytes) and not _has_implicit_output(binding["type"], library)
    return "generic" if is_plain else binding["type"]


def _annotation_problem(annotation: typing.Any, binding: Message, library: typing.Any) -> str | None:
    parameter = binding["name"]
    is_out = (typing.get_origin(annotation) or annotation) is library.Out
    declared = annotation
    if is_out:
        if len(typing.get_args(annotation)) != 1:
            return f"binding {parameter} has invalid Out annotation {annotation!r}"
        (annotation,) = typing.get_args(annotation)
    if not isinstance(annotation, type):
        return f"binding {parameter} has invalid non-type annotation {declared!r}"
    if binding["direction"] == "OUT" and not is_out:
        return (
            f'binding {parameter} is declared to have the "out" direction, but its annotation in Python is '
            "not a subclass of azure.functions.Out"
        )
    if binding["direction"] != "OUT" and is_out:
        return (
            f'binding {parameter} is declared to have the "in" direction in the binding decorator, but its '
            "annotation is azure.functions.Out in Python"
        )
    if _fits(annotation, _kind(annotation, binding, library), library, is_output=is_out):
        return None
    return (
        f'binding type "{parameter!r}" and dataType "{binding["type"]}" in the binding decorator do not '
        f"match the corresponding function parameter's Python type annotation {annotation.__name__}"
    )


def _return_problem(annotation: typing.Any, kind: str, library: typing.Any) -> str | None:
    if typing.get_origin(annotation) is library.Out:
        return "return annotation should not be azure.functions.Out"
    if not isinstance(annotation, type):
        return f"has invalid non-type return annotation {annotation!r}"
    if _fits(annotation, kind, library, is_output=True):
        return None
    return f'Python return annotation "{annotation.__name__}" does not match binding type "{kind}"'


def _fits(annotation: typing.Any, kind: str, library: typing.Any, *, is_output: bool) -> bool:
    converter = library.get_binding_registry().get(kind)
    if converter is None:
        return issubclass(annotation, (str, bytes, bytearray) if is_output else (str, bytes))
    check = converter.check_output_type_annotation if is_output else converter.check_input_type_annotation
    return check(annotation)


def http_datum(http: Message, body: bytes) -> Datum:
    value: Message = {name: Datum(http[name], "string") for name in ("method", "url")}
    for name in ("headers", "query", "params"):
        value[name] = {key: Datum(text, "string") for key, text in http[name].items()}
    return Datum({**value, "body": Datum(body, "bytes")}, "http")


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


def encode_return(value: typing.Any, kind: str) -> Message | None:
    if value is None:
        return None
    datum = generic_datum(value, kind)
    if datum.type == "bytes":
        return {"type": "string", "value": base64.b64encode(datum.value).decode()}
    return {"type": datum.type, "value": datum.value}


def encode_http(converter: typing.Any, value: typing.Any) -> tuple[Message, bytes]:
    try:
        datum = converter.encode(value, expected_type=None)
    except NotImplementedError:
        raise _unsupported(value, "http") from None
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
