"""The page of the stream: what was registered, what came, when the service stopped itself, and what it answers then."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchmarks.acceptance_demo.stream import Story

WIDTH: Final = 860
HEIGHT: Final = 260
_LEFT: Final = 46
_BOTTOM: Final = 30

STYLE: Final = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f4f6f8; --text: #22303a; --quiet: #5c6b76; --line: #d5dce1;
  --accent: #00618f; --harm: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ground: #10161c; --panel: #18212a; --text: #e4ebf0; --quiet: #a3b2be;
  --line: #33414e; --accent: #9ad1e0; --harm: #ffb4ab; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1.25rem 4rem; background: var(--ground); color: var(--text);
  font: 16px/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } th, td { overflow-wrap: anywhere; text-align: left; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; }
.box { background: var(--panel); border-left: 4px solid var(--harm); padding: .6rem 1rem; }
figure { margin: 1rem 0; } figcaption { color: var(--quiet); } svg { width: 100%; height: auto; }
.scroll { overflow-x: auto; }
"""


def page(story: "Story") -> str:
    """The whole page; it needs nothing from anywhere."""
    stop = story.monitoring["suspension"]
    limit = stop["limit"]
    figure = next(
        each
        for each in story.monitoring["figures"]
        if (each["figure"], each["finding"]) == (limit["figure"], limit["finding"])
    )
    parts = [
        "<h1>A stream with planted harm stops itself</h1>",
        _what_came(story),
        _stop(story, stop),
        f"<h2>Running {limit['figure']}</h2>",
        chart(figure["series"], limit["at_least"], _counted_before(story, limit["figure"])),
        "<h2>Registered before the first film</h2>",
        _limits(story.monitoring["limits"]),
        "<h2>Figures at the stop</h2>",
        _figures(story.monitoring["figures"]),
        "<h2>What is answered while it is suspended</h2>",
        f"<p>Decision <code>abstain</code>, reason <code>suspended</code>: {escape(story.recommendation)}</p>",
        "<h2>After kill -9, and after the stop was lifted</h2>",
        _afterwards(story),
        "<h2>The audit log</h2>",
        _log(story.log),
        f"<p>{story.seconds:.0f} s in all. Research use only.</p>",
    ]
    title = '<meta charset="utf-8"><title>A stream that stops itself</title>'
    head = f'<!doctype html>\n<html lang="en"><head>{title}<style>{STYLE}</style></head>'
    return f"{head}\n<body><main>{''.join(parts)}</main></body></html>\n"


def _what_came(story: "Story") -> str:
    return (
        f"<p>The real service read {escape(story.source.words)}, drawn with replacement, and was told the truth about "
        f"each film as a verdict. After {story.good} films in order, {escape(story.source.harm)}.</p>"
    )


def _stop(story: "Story", stop: dict[str, Any]) -> str:
    after = (story.stopped_at or 0) - story.good
    return (
        f'<p class="box"><strong>The service suspended itself with the verdict about film {story.stopped_at}, {after} '
        f"films after the change</strong>: {escape(stop['reason'])}. Evidence {stop['evidence']:.0f}, needed "
        f"{stop['needed']:.0f}.</p>"
    )


def _afterwards(story: "Story") -> str:
    return (
        f"<p>The process was killed and started again: suspended since {escape(story.killed['suspension']['since'])}, "
        f"as before. Then a named key lifted the stop with a reason, and {len(story.lifted)} films in order were "
        f"answered again: {escape(', '.join(story.lifted))}.</p>"
    )


def chart(series: Sequence[dict[str, Any]], limit: float, change: int) -> str:
    """A figure with its confidence sequence over the films that count.

    Args:
        series: points of `GET /monitoring`.
        limit: drawn as a line.
        change: films that counted before the harm.
    """
    last = series[-1]["films"]

    def at(films: float, value: float) -> str:
        x = _LEFT + (WIDTH - _LEFT - 10) * films / last
        y = 10 + (HEIGHT - 10 - _BOTTOM) * (1 - value)
        return f"{x:.1f},{y:.1f}"

    band = [at(each["films"], each["high"]) for each in series] + [
        at(each["films"], each["low"]) for each in series[::-1]
    ]
    line = [at(each["films"], each["value"]) for each in series]
    rules = [(at(0, limit), at(last, limit), "var(--harm)"), (at(change, 0), at(change, 1), "var(--quiet)")]
    drawn = [f'<polygon points="{" ".join(band)}" fill="var(--accent)" opacity=".2"/>']
    drawn.append(f'<polyline points="{" ".join(line)}" fill="none" stroke="var(--accent)" stroke-width="2"/>')
    drawn += [_rule(start, end, colour) for start, end, colour in rules]
    drawn += [_label(at(0, share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    x, y = at(last, 0).split(",")
    drawn.append(
        f'<text x="{x}" y="{float(y) + 20}" text-anchor="end" font-size="12" fill="currentColor">{last} films</text>'
    )
    words = (
        f"The value after each film that counts, its confidence sequence, the limit of {limit:.0%} (dashed, level) and "
        "the change (dashed, upright). The interval holds at every film at once."
    )
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words)}">{"".join(drawn)}</svg>'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def _rule(start: str, end: str, colour: str) -> str:
    (x1, y1), (x2, y2) = start.split(","), end.split(",")
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-dasharray="6 4"/>'


def _label(place: str, text: str) -> str:
    x, y = place.split(",")
    place = f'x="{float(x) - 6}" y="{float(y) + 4}"'
    return f'<text {place} text-anchor="end" font-size="12" fill="currentColor">{text}</text>'


def _limits(limits: dict[str, Any]) -> str:
    rows = [(each["figure"], each["finding"], f"{each['at_least']:.0%}") for each in limits["limits"]]
    words = (
        f"<p>alpha {limits['alpha']:.0%}, over all limits and all time; SHA-256 <code>{limits['sha256']}</code>.</p>"
    )
    return words + _table(("figure", "finding", "at least"), rows)


def _figures(figures: Sequence[dict[str, Any]]) -> str:
    rows = []
    for each in figures:
        found = each["estimate"]
        value = "-" if found is None else f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
        evidence = "-" if each["evidence"] is None else f"{each['evidence']:.2g} of {each['needed']:.0f}"
        rows.append((each["figure"], f"{each['right']} of {each['films']}", value, evidence))
    return _table(("figure", "answered rightly", "value and confidence sequence", "evidence against the limit"), rows)


def _log(lines: Sequence[dict[str, Any]]) -> str:
    rows = [
        (line["at"][:19], line["event"], line["caller"], line.get("reason") or line.get("limits_sha256", ""))
        for line in lines
    ]
    return _table(("at", "event", "by", "what"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _counted_before(story: "Story", figure: str) -> int:
    """Films before the change that count for a figure."""
    wanted = figure == "sensitivity"
    films = zip(story.decisions[: story.good], story.present[: story.good], strict=True)
    return sum(present == wanted and decision != "abstain" for decision, present in films)
