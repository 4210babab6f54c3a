"""The service as a reader of prepared films: answers and heat maps through HTTP."""

import base64
import http.client
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.release_check.asking import file_of
from benchmarks.resilience.server import Server
from schemas.model.manifest import BundleManifest
from trainer.looking.answers import Answers, Films, Reader

_CLIENTS = 4


class Asker:
    """A running service as a reader of prepared films."""

    def __init__(self, server: Server, manifest: BundleManifest) -> None:
        self._server = server
        self._findings = manifest.findings

    @property
    def reader(self) -> Reader:
        """Whom the measures ask."""
        return Reader(self._answers, self._maps)

    def explanations(self, films: Films, finding: str | None) -> list[dict[str, Any]]:
        """The answers of `POST /explain`; of the predicted label where no finding is named."""
        query = "" if finding is None else f"?finding={quote(finding)}"
        return self._ask(f"/explain{query}", films)

    def _answers(self, films: Films) -> Answers:
        predictions = [answer["prediction"] for answer in self._ask("/predict", films)]
        given = np.array([prediction["decision"] != "abstain" for prediction in predictions])
        return Answers(
            {name: np.array([one["probabilities"][name] for one in predictions]) for name in self._findings},
            {name: np.array([one["label"] == name for one in predictions]) for name in self._findings},
            dict.fromkeys(self._findings, given),
        )

    def _maps(self, films: Films, finding: str) -> NDArray[np.float32]:
        answers = self.explanations(films, finding)
        return np.stack([picture(answer["explanation"]["heatmap_png_base64"], gray=True) for answer in answers])

    def _ask(self, path: str, films: Films) -> list[dict[str, Any]]:
        def ask(film: NDArray[np.float32]) -> dict[str, Any]:
            status, body = self._server.ask("POST", path, file_of(film))
            if status != http.client.OK:
                sys.exit(f"a film is answered with {status}: {body.decode()}")
            answer: dict[str, Any] = json.loads(body)
            return answer

        with ThreadPoolExecutor(_CLIENTS) as pool:
            return list(pool.map(ask, films))


def picture(png_base64: str, *, gray: bool) -> NDArray[np.float32]:
    """A picture of an answer: [H, W], or [H, W, 3] in OpenCV's order of colours."""
    kind = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(png_base64), np.uint8), kind), np.float32)
