"""nginx in front of several services, as an ingress is: its upstreams change while it runs."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.pacs.orthanc import free_port
from tests.waiting import wait_until

_CONFIGURATION = """
{user} daemon off; master_process on; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    log_format attempts '$status $upstream_status';
    access_log {folder}/access.log attempts;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream cxr {{ {balance} {servers} keepalive 16; keepalive_timeout 4s; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 64m;
        location / {{
            proxy_pass http://cxr; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
            proxy_read_timeout 65s; proxy_connect_timeout 2s;
            proxy_next_upstream {retries};
        }}
    }}
}}
"""


class Proxy:
    """A running nginx; `attempts` are the statuses of upstreams by request, from its log."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def configure(self, ports: Sequence[int], *, retries: str = "off", balance: str = "least_conn;") -> None:
        """Send requests to these services; requests in flight end as they began."""
        servers = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in ports)
        values = {"folder": self._folder, "port": self.port, "servers": servers, "retries": retries, "balance": balance}
        values["user"] = "user root;" if os.geteuid() == 0 else ""  # workers write bodies into the folder
        (self._folder / "nginx.conf").write_text(_CONFIGURATION.format(**values))
        if self._process is None:
            self._process = subprocess.Popen(self._command(), cwd=self._folder)
            wait_until(self._answers, "nginx listens")
        else:
            subprocess.run([*self._command(), "-s", "reload"], check=True, timeout=30, capture_output=True)

    def attempts(self) -> list[list[str]]:
        """Of each request: its status, then those of the services that were asked."""
        lines = (self._folder / "access.log").read_text().splitlines()
        return [line.replace(",", "").split() for line in lines]

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def _command(self) -> list[str]:
        return [self._program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), "-e", "stderr"]

    def _answers(self) -> bool:
        try:
            httpx2.get(f"{self.address}/livez", trust_env=False)
        except httpx2.HTTPError:
            return False
        return True


@contextmanager
def proxy(folder: Path) -> Iterator[Proxy]:
    """nginx, which is not started before it is configured; the test skips where it is not installed."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        pytest.skip("nginx (Debian package nginx-light) is not installed")
    made = Proxy(folder, program)
    yield made
    made.end()
