"""Runs one function: input bindings, then the handler, then outputs, as WorkerFunctionInvoker does."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_azure.functions_host import input_binding, responses
from local_azure.functions_host.binding_data import BindingData
from local_azure.functions_host.bindings import assistant_create, dotnet
from local_azure.functions_host.bindings.assistant_service import AssistantService
from local_azure.functions_host.function_table import Function
from local_azure.functions_host.responses import BadResponseError, Response
from local_azure.functions_host.skills import Returned
from local_azure.functions_host.worker_process import (
    HandlerError,
    Input,
    Output,
    Result,
    WorkerExitedError,
    WorkerProcess,
)

WORKER_PATIENCE = 20.0
"""Seconds that a call waits for a worker that is being started again."""


class InvocationError(Exception):
    """A call that failed; the log says why."""


class ClientLeftError(Exception):
    """The client has left before the function was called; what the bindings did stays done."""


class NotReadyError(Exception):
    """There is no worker, and none within WORKER_PATIENCE."""


@dataclass(frozen=True)
class Call:
    """What the trigger gives: an HTTP request, or the value of its one parameter."""

    data: Callable[[], BindingData] = dict
    http: Mapping[str, Any] | None = None
    body: bytes = b""
    trigger: tuple[str, Input] | None = None
    """Name of the parameter and its value; None for HTTP."""
    client_left: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Outcome:
    response: Response
    """204 of a function without HTTP output."""
    returned: Returned


class Invoker:
    def __init__(self, assistants: AssistantService) -> None:
        self.worker: WorkerProcess | None = None
        self._assistants = assistants

    async def run(self, function: Function, call: Call) -> Outcome:
        """Raises NotReadyError and InvocationError."""
        worker = self.worker
        if worker is None or not (worker.ready or await worker.wait_until_ready(WORKER_PATIENCE)):
            raise NotReadyError
        logger = logging.getLogger(f"Function.{function.name}")
        logger.info("Executing 'Functions.%s'", function.name)
        started = time.monotonic()
        try:
            outcome = await self._run(worker, function, call)
        except (HandlerError, WorkerExitedError, BadResponseError, ClientLeftError) as error:
            logger.error("Executed 'Functions.%s' (Failed)\n%s", function.name, error)
            raise InvocationError(str(error)) from error
        except Exception as error:
            # An SDK may raise anything; the log says what.
            logger.error(
                "Executed 'Functions.%s' (Failed): %s: %s", function.name, type(error).__name__, error
            )
            raise InvocationError(str(error)) from error
        took = (time.monotonic() - started) * 1000
        logger.info("Executed 'Functions.%s' (Succeeded, Duration=%.0fms)", function.name, took)
        return outcome

    async def _run(self, worker: WorkerProcess, function: Function, call: Call) -> Outcome:
        inputs = await self._inputs(function, call.data) if function.inputs else {}
        if call.trigger is not None:
            inputs[call.trigger[0]] = call.trigger[1]
        if call.client_left():
            raise ClientLeftError("the client left before the function was called")
        result = await worker.invoke(function.name, call.http, call.body, inputs)
        response = responses.convert(result.response, result.content)
        # 202 is never sent when an output failed: outputs are awaited first.
        await self._output(function, result)
        return Outcome(response, _returned(result.returned))

    async def _inputs(self, function: Function, data: Callable[[], BindingData]) -> dict[str, Input]:
        """All at once, as the host does; any failure fails the call when all have ended."""
        known = data()
        values = await asyncio.gather(
            *(input_binding.read(one, self._assistants, known, function.name) for one in function.inputs),
            return_exceptions=True,
        )
        found: dict[str, Input] = {}
        for binding, value in zip(function.inputs, values, strict=True):
            if isinstance(value, BaseException):
                raise value
            found[binding.name] = Input("string", value)
        return found

    async def _output(self, function: Function, result: Result) -> None:
        for name, kind in function.outputs.items():
            output = result.outputs.get(name)
            if output is not None and kind == assistant_create.BINDING_TYPE:
                await self._assistants.output(output.kind, output.value)


def _returned(output: Output | None) -> Returned:
    """As `JsonConvert.SerializeObject` of AssistantSkillManager writes what the host makes of it.

    That is the only encoding of a `str`: without a converter for assistantSkillTrigger in azure.functions
    the worker sends it as it is (GenericBinding.encode, datum_as_proto: TypedData.string), and so the host
    takes it (GrpcMessageConversionExtensions.ToObject). Encoded twice is what a handler has encoded
    itself, as the extension's Python sample does with `json.dumps`.
    """
    if output is None:
        return Returned(None)
    if output.kind == "json":
        return Returned(dotnet.newtonsoft(json.loads(output.value)))
    return Returned(dotnet.newtonsoft(output.value))
