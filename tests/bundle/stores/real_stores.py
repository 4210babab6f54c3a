"""Real stores for tests: Debian's docker-registry, and moto's S3, each a process on loopback."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pacs.orthanc import free_port
from tests.waiting import wait_until

LOGIN = "hospital:open-sesame"
_HTPASSWD = "hospital:$2b$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO\n"
"""Of `LOGIN`: docker-registry reads bcrypt alone."""


class _Store:
    """A process that is started, killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._log = (folder / "store.log").open("wb")
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command(), stdout=self._log, stderr=self._log, env=os.environ | {"OTEL_TRACES_EXPORTER": "none"}
        )
        wait_until(self._listens, "the store listens")

    def _listens(self) -> bool:
        connection = http.client.HTTPConnection(self.host, timeout=1)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        self._log.close()


class DockerRegistry(_Store):
    """`docker-registry serve`, with its data in a folder; bundles may be deleted."""

    def __init__(self, folder: Path, *, login: bool = False, tls: tuple[Path, Path] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.data = folder / "data"
        served: dict = {"addr": self.host}
        if tls is not None:
            served["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
        config: dict = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self.data)}, "delete": {"enabled": True}},
            "http": served,
        }
        if login:
            (folder / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "hospital", "path": str(folder / "htpasswd")}}
        self._config = folder / "config.yml"
        self._config.write_text(yaml.safe_dump(config))

    def command(self) -> list[str]:
        program = shutil.which("docker-registry")
        if program is None:
            pytest.skip("no docker-registry on the PATH: apt-get install docker-registry")
        return [program, "serve", str(self._config)]

    def blob_file(self, digest: str) -> Path:
        """Where the registry keeps the content of a blob."""
        name = digest.removeprefix("sha256:")
        return self.data / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"


class Moto(_Store):
    """`moto_server`, whose buckets live in its memory."""

    def command(self) -> list[str]:
        return [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def variables(self) -> dict[str, str]:
        """Of a client, as operators set them."""
        names = {"ACCESS_KEY_ID": "hospital", "SECRET_ACCESS_KEY": "open-sesame", "REGION": "us-east-1"}
        return {f"AWS_{name}": value for name, value in names.items()} | {"AWS_ENDPOINT": f"http://{self.host}"}

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(method, path, body)
        content = connection.getresponse().read()
        connection.close()
        return content
