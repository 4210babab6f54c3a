"""The failure gallery in the card: which validation films the network gets wrong, by hash and line, without their pictures."""

from collections.abc import Iterator

from export.card.figures import groups
from export.card.markdown import table
from schemas.model.mistakes import Mistakes
from trainer.heat_maps.attention import FRAME_AREA

HEAD = (
    "kind",
    "film, SHA-256",
    "line",
    "truth, its probability",
    "label, its probability",
    "answer",
    "out-of-distribution score",
    "heat on the border",
)
MEANING = (
    "What the exported network does wrong at its operating points on {data}; the test films are left alone, for whoever looks at "
    "their mistakes soon tunes on them. Films are not in the bundle, and their names may hold a patient's: a film is named by the "
    "first 12 digits of its file's SHA-256 and by its line in the run's `split.csv`, for those who hold both. "
    "`python -m trainer report` shows the pictures. "
    f"Heat on the border: share of the heat map for the label in the outer tenth of the film, {FRAME_AREA:.0%} of its area."
)
WORST_TITLE = "The worst of each kind: the least probability for the truth; of unfamiliar films the largest score."
APPEARANCE_TITLE = "The same figures by how a film looks to the network, thirds of the films:"


def mistakes_section(mistakes: Mistakes) -> tuple[str, ...]:
    """The section of the card."""
    return (
        "## Mistakes",
        MEANING.format(data=mistakes.data),
        table(("kind", "meaning", "films", "share [interval]"), _kinds(mistakes)),
        WORST_TITLE,
        table(HEAD, _films(mistakes)),
        *groups(APPEARANCE_TITLE, mistakes.by_appearance),
    )


def _kinds(mistakes: Mistakes) -> Iterator[tuple[str, ...]]:
    for kind in mistakes.kinds:
        share = "no film could" if kind.share is None else str(kind.share)
        yield kind.kind, kind.meaning, f"{kind.films:,} of {kind.of:,}", share


def _films(mistakes: Mistakes) -> Iterator[tuple[str, ...]]:
    for kind in mistakes.kinds:
        for film in kind.worst:
            score = film.out_of_distribution_score
            share = film.border_share
            yield (
                kind.kind,
                f"`{film.film.sha256_prefix}`",
                str(film.film.split_line),
                f"`{film.truth}` {film.truth_probability:.3f}",
                f"`{film.label}` {film.label_probability:.3f}",
                film.answer,
                "not checked" if score is None else f"{score:.2f}",
                "no heat" if share is None else f"{share:.0%}",
            )
