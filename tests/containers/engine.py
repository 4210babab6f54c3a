"""Docker and docker-compose as their command lines, for one project whose containers and volumes end with the test."""

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FILES = ("docker-compose.yml", "deploy/debian/docker-compose.yml")


def run(*command: str, env: dict[str, str] | None = None, timeout: float = 300) -> str:
    """What a command prints; its error output is in the failure."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


def compose_program() -> tuple[str, ...]:
    return ("docker-compose",) if shutil.which("docker-compose") else ("docker", "compose")


class Stack:
    """The stack of docker-compose.yml with Debian's packages for what no registry gives."""

    def __init__(self, project: str, settings: dict[str, str]) -> None:
        self.settings = settings
        files = [part for file in FILES for part in ("-f", file)]
        self._compose = (*compose_program(), "-p", project, *files)

    def compose(self, *command: str, timeout: float = 300) -> str:
        return run(*self._compose, *command, env=self.settings, timeout=timeout)

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "-q", service).split()

    def inspect(self, container: str) -> dict:
        return json.loads(run("docker", "inspect", container))[0]

    def execute(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in a running container; may fail."""
        (container,) = self.containers(service)
        return subprocess.run(
            ("docker", "exec", container, *command), capture_output=True, text=True, timeout=60, check=False
        )

    def ports(self, service: str, port: int) -> list[int]:
        """Where the port of each container of a service is published on this machine."""
        bindings = [
            self.inspect(container)["NetworkSettings"]["Ports"][f"{port}/tcp"] for container in self.containers(service)
        ]
        return [int(binding[0]["HostPort"]) for binding in bindings]
