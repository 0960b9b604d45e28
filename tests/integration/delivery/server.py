"""Serves the script of tests/fake_azure.py over TLS on the loopback, with its own certificate authority."""

import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

from tests.fake_azure import Azure


@contextmanager
def served(folder: Path) -> Generator[tuple[Azure, Path]]:
    """The script, and the file with the certificate of the authority."""
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)  # pyright: ignore[reportUnknownMemberType] # it also takes pyOpenSSL's

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = azure.receive(self.command, self.path, dict(self.headers.items()), body)
            if reply.status == 0:
                self.close_connection = True
                return
            self.send_response_only(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.content()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.content())

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 # the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's signature
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    azure = Azure(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield azure, ca_file
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
