"""Rejects a body that did not arrive as the client sent it, before it is parsed.

PUT and both POSTs use it. GET and DELETE read no body: the host drops that of a GET (recording
`http/get-with-body`), and RFC 9110 section 9.3 defines none for either.
"""

import re
from typing import Any

import azure.functions as func

from assistants.routes.parsing import Problem
from assistants.routes.responses import bad_request, problem, truncated


def check_body(req: func.HttpRequest) -> func.HttpResponse | None:
    """A 411, 415 or 400 problem; None if the body is complete and not encoded.

    The host drops a chunked body without an error (recording `http/chunked`), so that a create would use
    the default instructions, and does not decompress a body (`http/gzip-request`).
    """
    headers: Any = req.headers  # a mapping with case-insensitive names
    if "Transfer-Encoding" in headers:
        detail = "A body sent with Transfer-Encoding does not reach the app: send it with Content-Length."
        return problem(411, detail)
    encoding = str(headers.get("Content-Encoding", ""))
    if any(coding.strip().lower() not in ("", "identity") for coding in encoding.split(",")):
        detail = f"The Content-Encoding {truncated(encoding)} is not supported: send the body unencoded."
        return problem(415, detail)
    length, received = headers.get("Content-Length"), len(req.get_body())
    if length is not None and not (re.fullmatch("[0-9]{1,12}", str(length)) and int(length) == received):
        rule = f"is {truncated(length)}, but {received} bytes of the body arrived"
        return bad_request([Problem("header", "Content-Length", rule)])
    return None
