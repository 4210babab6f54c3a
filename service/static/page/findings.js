/** Several findings that are judged by themselves: a list, what is claimed first; and the operating point of each. */

import { bar, figuresOf } from "./bars.js";
import { element } from "./dom.js";
import { BANDS, percent } from "./words.js";

const ORDER = ["positive", "abstain", "negative"];
const SIGNS = { positive: "▲", abstain: "?", negative: "○" };
const DECISIONS = { positive: "Reached", abstain: "Undecided", negative: "Not reached" };

/** Whether findings occur together: each class is one, and none of them means that there is no other. */
export const areSeveral = ({ findings, probabilities }) => findings.length > 1 && findings.length === Object.keys(probabilities).length;

/** The list; a finding without an answer has no bar, which would be read as one. */
export function findingsList(prediction) {
  const items = inOrder(prediction.findings).map((finding) => {
    const isAnswered = finding.decision !== "abstain";
    const words = isAnswered ? `${DECISIONS[finding.decision]}. ${BANDS[finding.confidence_band]}` : DECISIONS.abstain;
    return item(finding, SIGNS[finding.decision], words, isAnswered);
  });
  const caption = element("p", { className: "quiet" }, "Calibrated probability of each; the line is its operating point, which is reached or not.");
  return [element("ul", { className: "findings" }, ...items), caption];
}

/** What was computed where nothing is claimed; shown to those who ask. */
export function withheldFindings({ findings }) {
  const items = inOrder(findings).filter(({ decision }) => decision === "abstain").map((finding) => item(finding, "", "", true));
  return element("ul", { className: "findings" }, ...items);
}

/** Folded, but for those that were reached. @param findings `operating_point` and, after an answer, `decision` of each. */
export function operatingPoints(findings, model) {
  return inOrder(findings).map(({ operating_point: point, decision }) => {
    const summary = element("summary", {}, `${point.finding}, called from ${percent(point.threshold)}`);
    return element("details", { className: "point", open: decision === "positive" }, summary, ...figuresOf(point, model));
  });
}

function item({ name, probability, decision, operating_point: point }, sign, words, hasBar) {
  return element(
    "li",
    { className: decision },
    element("span", { className: "sign", ariaHidden: "true" }, sign),
    element("span", { className: "name" }, name, words === "" ? null : element("small", {}, words)),
    hasBar ? element("span", { className: "figure" }, percent(probability)) : null,
    hasBar ? bar(probability, point.threshold) : null,
  );
}

/** By decision, then by how much each probability exceeds its threshold. */
function inOrder(findings) {
  const ratio = ({ probability = 0, operating_point: point }) => probability / Math.max(point.threshold, 1e-9);
  const place = ({ decision }) => ORDER.indexOf(decision);
  return [...findings].sort((one, other) => place(one) - place(other) || ratio(other) - ratio(one));
}
