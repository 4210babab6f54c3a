"""Rules of links in the README and in docs/, as GitHub shows them."""

import pytest

from tests.docs.pages import PAGES, anchors, links, named


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_to_a_file_or_a_heading_leads_there(page) -> None:
    astray = []
    for link in links(page):
        if ":" in link.partition("/")[0]:
            continue
        address, _, anchor = link.partition("#")
        # Made for the site alone, from files of other names.
        if (page.parent / address).name == "model-card.md":
            continue
        target = (page.parent / address).resolve() if address else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            astray.append(link)

    assert astray == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_link_is_without_encryption_but_to_this_machine(page) -> None:
    assert [link for link in links(page) if link.startswith("http://") and "//127.0.0.1" not in link] == []
