"""An origin server, an archive, a stand-in for the service, and performers that work between them in this process."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydicom.uid import ComputedRadiographyImageStorage

from service.worklist.performer import Performer
from service.worklist.process import performing
from tests.service.chosen import settings_of
from tests.service.dicomweb.conftest import postgresql, postgresql_url
from tests.service.dicomweb.films import STUDY, film, film_dataset, uid
from tests.service.worklist.counterparts import FakeService, FilmArchive
from tests.service.worklist.origin_server import OriginServer

__all__ = ["postgresql", "postgresql_url"]


class Ward:
    """All of them; `schedule` makes work."""

    def __init__(self, folder: Any) -> None:
        self.folder = folder
        self.origin = OriginServer()
        self.archive = FilmArchive()
        self.service = FakeService()

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "worklist_url": self.origin.url,
            "worklist_label": "AI",
            "worklist_source_url": self.archive.url,
            "worklist_service_url": self.service.url,
            "worklist_database_url": f"sqlite:///{self.folder}/worklist.db",
            "worklist_poll_s": 0.05,
        } | more

    def schedule(self, item: str, *names: str, classes: tuple[str, ...] = (), **attributes: str) -> str:
        """A workitem on films of these names, which the archive has; returns its UID."""
        references = []
        for number, name in enumerate(names):
            self.archive.films[uid(name)] = film(name)
            sop_class = classes[number] if classes else ComputedRadiographyImageStorage
            references.append((sop_class, STUDY, str(film_dataset(name).SeriesInstanceUID), uid(name)))
        workitem = f"1.2.3.{int.from_bytes(item.encode())}"
        self.origin.schedule(workitem, references, **attributes)
        return workitem

    def close(self) -> None:
        self.origin.close()
        self.archive.close()
        self.service.close()


@pytest.fixture
def ward(tmp_path: Any) -> Iterator[Ward]:
    made = Ward(tmp_path)
    yield made
    made.close()
    assert made.origin.faults == []


@pytest.fixture
def perform(ward: Ward) -> Iterator[Any]:
    """Open a performer: `perform(worklist_at_once=2)`; of SQLite one at a time, unless each has its own database."""
    with ExitStack() as stack:

        def opened(**settings: Any) -> Performer:
            performer = stack.enter_context(performing(settings_of(**ward.settings(**settings))))
            performer.backoff = performer.backoff.__class__(first_s=0.01, longest_s=0.01)
            return performer

        yield opened
