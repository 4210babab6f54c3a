/** The answers against the truth as it comes in: running figures with bands that hold at any time, limits, stations. */

import { element } from "../dom.js";
import { percent } from "../words.js";
import { badge, card, facts, moment, shareOf, stated, table } from "./parts.js";
import { intervalPlot, runningPlot } from "./plots.js";

const NAMES = { sensitivity: "Sensitivity", specificity: "Specificity", ppv: "Positive predictive value" };

export function monitoringElements(report) {
  const { enabled, note, figures, rates } = report;
  if (!enabled) return [element("p", {}, note ?? "Nothing is monitored.")];
  return [
    headline(report),
    note === null ? null : element("p", {}, note),
    facts([
      ["Films read", String(report.readings)],
      ["With a verdict", `${report.verdicts}; the last ${moment(report.last_verdict_at)}`],
      ["Limits", report.limits === null ? "none registered" : `registered ${moment(report.limits.registered_at)}, false stop at most ${percent(report.limits.alpha)}`],
    ]),
    ...figures.map(figureCard),
    figures.length === 0 ? element("p", {}, "No verdict has come yet: a reader gives one on the film, a report or a table brings them.") : null,
    rates.length === 0 ? null : card("Stations and devices", stations(rates)),
  ].filter((part) => part !== null);
}

function headline({ suspended, suspension }) {
  const [kind, sign, words] = suspended ? ["bad", "■", "Suspended: films are analysed and not answered"] : ["good", "○", "Not suspended"];
  const why = suspension === null ? null : element("p", {}, `Since ${moment(suspension.since)}. ${suspension.reason}`);
  return element("div", { className: `verdict ${kind}` }, element("span", { className: "sign", ariaHidden: "true" }, sign), element("div", {}, element("h3", {}, words), why));
}

function figureCard({ figure, finding, bundle, films, right, estimate, recent, limit, evidence, needed, series }) {
  const name = `${NAMES[figure]} of ${finding}`;
  const rows = [
    ["Now", estimate === null ? "no film counts" : `${shareOf(estimate)}, ${right} of ${films} films`],
    ["Last 50 films", recent === null ? "–" : percent(recent)],
    ["Limit", limit === null ? "none" : `at least ${percent(limit)}`],
  ];
  if (evidence !== null && needed !== null) rows.push(["Evidence against it", `${evidence.toPrecision(3)}; the service stops from ${needed.toPrecision(3)}`]);
  const below = limit !== null && estimate !== null && estimate.value < limit;
  return card(
    `${name}, ${bundle}`,
    ...(series.length > 0 ? [runningPlot(name, series, limit)] : []),
    below ? element("p", {}, badge("open", "▲", "below its limit")) : null,
    facts(rows),
    series.length === 0 ? null : element("details", {}, element("summary", {}, "The points of the picture"), table(`${name}, point by point`, ["Films", "Value and band", "Last verdict"], series.map((point) => [String(point.films), shareOf(point), moment(point.at)]))),
  );
}

function stations(rates) {
  const rows = rates.map(({ station, device, films, abstained, unfamiliar }) => {
    const name = `${stated(station)}, ${stated(device)}`;
    return [name, String(films), intervalPlot(`Not answered, ${name}`, abstained), shareOf(abstained), intervalPlot(`Unfamiliar, ${name}`, unfamiliar), shareOf(unfamiliar)];
  });
  return table("Films that were not answered, by station and device", ["Station, device", "Films", "Not answered", "Share", "Unfamiliar", "Share"], rows);
}
