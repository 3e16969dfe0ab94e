"""moto on 127.0.0.1, and boto3 clients for it: both are made again for every stack and every other test."""

import threading
from functools import cache
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from local.serving import SELECT_SECONDS, stop_serving
from local.template.template import REGION

_ACCESS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": REGION}
_one_by_one = threading.Lock()


class MotoServer(ThreadedMotoServer):
    """Ends when it is asked to: moto's own server looks twice a second whether it has been."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0, verbose=False)

    @property
    def url(self) -> str:
        """Of the running server."""
        host, port = self.get_host_and_port()
        return f"http://{host}:{port}"

    def stop(self) -> None:
        """Requests that are being answered go on to their end."""
        if self._server is not None and self._thread is not None:
            stop_serving(self._server)
            self._thread.join()
            self._server.server_close()

    def _server_entry(self) -> None:
        application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            self._ip_address, self._port, application, threaded=True, request_handler=MotoRequestHandler
        )
        self._server_ready_event.set()
        self._server.serve_forever(SELECT_SECONDS)


def client_of(endpoint_url: str, service: str) -> Any:
    """A client of the server at that address, whatever the process's environment says; may be shared by threads."""
    with _one_by_one:
        return _session().client(service, endpoint_url=endpoint_url)


@cache
def _session() -> boto3.session.Session:
    """One for all, as each reads botocore's large descriptions of the services; it is not for several threads."""
    return boto3.session.Session(**_ACCESS)
