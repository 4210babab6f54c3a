/** The answer about one film as elements: words first, then bars, then what the figures rest on. */

import { element } from "./dom.js";
import { interval, percent, verdict, warning } from "./words.js";

/** @param model manifest of the bundle, or null where it could not be read. */
export function answerElements(answer, model) {
  const said = verdict(answer, model);
  const { prediction, explanation } = answer;
  const names = answer.image.warnings;
  const isAnswered = prediction.decision !== "abstain";
  return [
    headline(said),
    element("p", { className: "recommendation" }, prediction.recommendation),
    names.length > 0 ? warnings(names) : null,
    isAnswered ? probabilities(prediction, model) : withheld(prediction, model),
    operatingPoint(prediction.operating_point, model),
    section("Familiarity", element("p", {}, familiarity(prediction))),
    names.length > 0 ? null : section("About the film", element("p", {}, "Nothing noticed that would weaken the answer.")),
    section("Heat map", element("p", {}, explanation ? heatWords(explanation) : "This model draws no heat map.")),
    facts(answer),
  ].filter((part) => part !== null);
}

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

/** Shown all the same, but only to those who ask: a bar is read as an answer. */
function withheld(prediction, model) {
  const summary = element("summary", {}, "What the network computed all the same");
  return element("details", {}, summary, probabilities(prediction, model));
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

function bar(value, threshold) {
  const filled = element("span", { className: "filled" });
  filled.style.width = percent(value).replace(" ", "");
  const mark = threshold === null ? null : element("span", { className: "mark" });
  if (mark !== null) mark.style.left = percent(threshold).replace(" ", "");
  return element("span", { className: "bar", ariaHidden: "true" }, filled, mark);
}

/**
 * Also shown before any film, from the manifest. Beside the figures of the films that chose the threshold stand those of films
 * that chose nothing, where the manifest knows some: they say more about the next film.
 *
 * @param model manifest of the bundle, or null where it could not be read.
 */
export function operatingPoint(point, model) {
  const tested = figuresOnTest(point, model);
  return section(
    "Operating point",
    whiskers(`${point.finding} is called from a probability of ${percent(point.threshold)}`, point),
    element("p", { className: "quiet" }, `95 % intervals; measured on ${point.data}. Elsewhere they may differ.`),
    ...(tested === null ? [] : [whiskers(tested.words, tested.metrics)]),
  );
}

function figuresOnTest({ finding, threshold }, model) {
  const test = model?.evaluation.find(({ data }) => data === "test");
  const metrics = test?.findings.find((each) => each.finding === finding && each.threshold === threshold);
  if (metrics === undefined) return null;
  return { metrics, words: `On ${test.films} test films of ${test.patients} patients, which chose nothing` };
}

function whiskers(words, figures) {
  const rows = ["sensitivity", "specificity"].map((name) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name[0].toUpperCase() + name.slice(1)),
      element("td", {}, whisker(figures[name])),
      element("td", {}, interval(figures[name])),
    ),
  );
  return element("table", { className: "whiskers" }, element("caption", {}, words), element("tbody", {}, ...rows));
}

function whisker({ value, low, high }) {
  const range = element("span", { className: "range" });
  range.style.left = `${100 * low}%`;
  range.style.width = `${100 * (high - low)}%`;
  const dot = element("span", { className: "dot" });
  dot.style.left = `${100 * value}%`;
  return element("span", { className: "whisker", ariaHidden: "true" }, range, dot);
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
