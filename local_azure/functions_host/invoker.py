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
from local_azure.functions_host.bindings import dotnet
from local_azure.functions_host.bindings.assistant_service import AssistantService
from local_azure.functions_host.function_table import Function
from local_azure.functions_host.responses import Response
from local_azure.functions_host.worker_process import Datum, WorkerProcess

WORKER_TIMEOUT = 20.0
"""Seconds that an invocation waits for a worker that is restarted."""


class InvocationError(Exception):
    """An invocation failed; the reason is in the log."""


class ClientDisconnectedError(Exception):
    """The client disconnected after the input bindings, before the function was called."""


class NotReadyError(Exception):
    """No worker was ready within WORKER_TIMEOUT."""


@dataclass(frozen=True)
class Invocation:
    """The trigger's values: an HTTP request, or the value of the trigger's parameter."""

    data: Callable[[], BindingData] = dict
    http: Mapping[str, Any] | None = None
    body: bytes = b""
    trigger: tuple[str, Datum] | None = None
    """Name of the parameter and its value; None for HTTP."""
    client_disconnected: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Outcome:
    response: Response
    """204 for a function without an HTTP output."""
    returned: str | None
    """The JSON of the return value; None for nothing."""


class Invoker:
    def __init__(self, assistants: AssistantService) -> None:
        self.worker: WorkerProcess | None = None
        self._assistants = assistants

    async def run(self, function: Function, invocation: Invocation) -> Outcome:
        """Raises NotReadyError and InvocationError."""
        worker = self.worker
        if worker is None or not await worker.wait_until_ready(WORKER_TIMEOUT):
            raise NotReadyError
        logger = logging.getLogger(f"Function.{function.name}")
        logger.info("Executing 'Functions.%s'", function.name)
        started = time.monotonic()
        try:
            outcome = await self._run(worker, function, invocation)
        except Exception as error:  # the clients of the bindings may raise any
            logger.error(
                "Executed 'Functions.%s' (Failed): %s: %s", function.name, type(error).__name__, error
            )
            raise InvocationError(str(error)) from error
        took = (time.monotonic() - started) * 1000
        logger.info("Executed 'Functions.%s' (Succeeded, Duration=%.0fms)", function.name, took)
        return outcome

    async def _run(self, worker: WorkerProcess, function: Function, invocation: Invocation) -> Outcome:
        inputs = await self._inputs(function, invocation.data) if function.inputs else {}
        if invocation.trigger is not None:
            inputs[invocation.trigger[0]] = invocation.trigger[1]
        if invocation.client_disconnected():
            raise ClientDisconnectedError("the client disconnected before the function was called")
        worker_response = await worker.invoke(function.name, invocation.http, invocation.body, inputs)
        response = responses.convert(worker_response.response, worker_response.content)
        # The output bindings run before the response is sent, so that it is 500 if one fails.
        for name in function.outputs:
            output = worker_response.outputs.get(name)
            if output is not None:
                await self._assistants.output(output.type, output.value)
        return Outcome(response, returned_json(worker_response.returned))

    async def _inputs(self, function: Function, data: Callable[[], BindingData]) -> dict[str, Datum]:
        """Runs the input bindings concurrently, as the host does; if one fails, the others still complete."""
        binding_data = data()
        values = await asyncio.gather(
            *(
                input_binding.read(binding, self._assistants, binding_data, function.name)
                for binding in function.inputs
            ),
            return_exceptions=True,
        )
        inputs: dict[str, Datum] = {}
        for binding, value in zip(function.inputs, values, strict=True):
            if isinstance(value, BaseException):
                raise value
            inputs[binding.name] = Datum("string", value)
        return inputs


def returned_json(output: Datum | None) -> str | None:
    """The JSON that AssistantSkillManager makes of a return value with `JsonConvert.SerializeObject`.

    A `str` is encoded only here: azure.functions has no converter for assistantSkillTrigger, so worker and
    host pass it on as it is (GenericBinding.encode, GrpcMessageConversionExtensions.ToObject).
    """
    if output is None:
        return None
    return dotnet.newtonsoft(json.loads(output.value) if output.type == "json" else output.value)
