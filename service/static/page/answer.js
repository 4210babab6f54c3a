/** The answer about one film as elements: words first, then bars, then what the figures rest on. */

import { bar, figuresOf } from "./bars.js";
import { element } from "./dom.js";
import { areSeveral, findingsList, operatingPoints, withheldFindings } from "./findings.js";
import { answeredBy, reasons, seenTraits } from "./seen.js";
import { percent, populationCheck, verdict, warning } from "./words.js";

/** @param model manifest of the bundle, or null where it could not be read. */
export function answerElements(answer, model) {
  const said = verdict(answer);
  const { prediction, explanation } = answer;
  const names = answer.image.warnings;
  return [
    headline(said),
    element("p", { className: "recommendation" }, prediction.recommendation),
    answeredBy(answer, model),
    prediction.abstention_reasons.length > 1 ? section("Why there is no answer", reasons(prediction)) : null,
    names.length > 0 ? warnings(names) : null,
    ...(isWithheld(prediction) ? [] : areSeveral(prediction) ? severalFindings(prediction, model) : oneFinding(prediction, model)),
    prediction.traits ? section("The film as it was seen", seenTraits(prediction.traits)) : null,
    isWithheld(prediction) ? null : section("Intended population", element("p", {}, populationCheck(prediction.population))),
    isWithheld(prediction) ? null : section("Familiarity", element("p", {}, familiarity(prediction))),
    names.length > 0 ? null : section("About the film", element("p", {}, "Nothing noticed that would weaken the answer.")),
    isWithheld(prediction) ? null : section("Heat map", element("p", {}, explanation ? heatWords(explanation) : "This model draws no heat map.")),
    facts(answer),
  ].filter((part) => part !== null);
}

/** A silent service gives neither label nor figures to those who do not judge its trial. */
const isWithheld = ({ label }) => label === "";

export function section(title, ...content) {
  return element("section", {}, element("h3", {}, title), ...content);
}

function headline({ kind, sign, headline: words, band }) {
  return element(
    "div",
    { className: `verdict ${kind}` },
    element("span", { className: "sign", ariaHidden: "true" }, sign),
    element("div", {}, element("h2", {}, words), element("p", {}, band)),
  );
}

function oneFinding(prediction, model) {
  const bars = probabilities(prediction, model);
  return [prediction.decision === "abstain" ? withheld(bars) : bars, operatingPoint(prediction.operating_point, model)];
}

function severalFindings(prediction, model) {
  const isOpen = ({ decision }) => decision === "abstain";
  return [
    prediction.findings.every(isOpen) ? null : section("Findings", ...findingsList(prediction)),
    prediction.findings.some(isOpen) ? withheld(withheldFindings(prediction)) : null,
    section("Operating points", ...operatingPoints(prediction.findings, model)),
  ];
}

/** Shown all the same, but only to those who ask: a bar is read as an answer. */
function withheld(bars) {
  return element("details", {}, element("summary", {}, "What the network computed all the same"), bars);
}

/** @param model manifest of the bundle, or null where it could not be read. */
export function operatingPoint(point, model) {
  return section("Operating point", ...figuresOf(point, model));
}

function probabilities({ probabilities: rows, operating_point: point, calibrated }, model) {
  const lines = Object.entries(rows).map(([name, probability]) => {
    const isNegative = name === model?.negative_class;
    const label = element("th", { scope: "row" }, name);
    if (isNegative) label.append(element("small", {}, "none of the findings"));
    const threshold = name === point.finding ? point.threshold : null;
    return element("tr", {}, label, element("td", {}, bar(probability, threshold)), element("td", {}, percent(probability)));
  });
  const caption = element("caption", {}, `${calibrated ? "Calibrated probability" : "Probability, not calibrated"}; the line is the operating point`);
  return element("table", { className: "bars" }, caption, element("tbody", {}, ...lines));
}

function familiarity({ in_distribution, out_of_distribution_score }) {
  if (in_distribution === null) return "Not checked: this model cannot tell how unlike its training films a film is.";
  const score = out_of_distribution_score === null ? "" : ` (distance ${out_of_distribution_score.toFixed(2)}; above 1 it is not answered)`;
  return in_distribution ? `Within what the training films looked like${score}.` : `Unlike the training films${score}.`;
}

function warnings(names) {
  const items = names.map((name) => element("li", {}, warning(name)));
  return section(`About the film: ${names.length === 1 ? "1 warning" : `${names.length} warnings`}`, element("ul", { className: "warnings" }, ...items));
}

function heatWords({ finding, method, backend, center_of_mass, note }) {
  const empty = center_of_mass === null ? " Nothing on this film moved it towards this finding: the map is empty." : "";
  return `Of ${finding} (${method}, ${backend}).${empty} ${note}`;
}

function facts({ image, model, timings_ms, request_id }) {
  const rows = {
    Film: `${image.format.toUpperCase()}, ${image.columns} × ${image.rows} pixels, ${image.bits} bits, ${image.photometric_interpretation}`,
    Model: `${model.name} ${model.version}, ${model.architecture}`,
    "SHA-256": model.sha256.slice(0, 16),
    Answered: `in ${Math.round(timings_ms.total)} ms; request ${request_id}`,
  };
  const pairs = Object.entries(rows).flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]);
  return section("How it was computed", element("dl", {}, ...pairs));
}
