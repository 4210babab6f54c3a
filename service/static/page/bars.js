/** Figures as bars and whiskers: probabilities with their operating point, sensitivity and specificity with their intervals. */

import { element } from "./dom.js";
import { interval, percent } from "./words.js";

const share = (fraction) => percent(fraction).replace(" ", "");

/** @param threshold null for none. */
export function bar(value, threshold) {
  const filled = element("span", { className: "filled" });
  filled.style.width = share(value);
  const mark = threshold === null ? null : element("span", { className: "mark" });
  if (mark !== null) mark.style.left = share(threshold);
  return element("span", { className: "bar", ariaHidden: "true" }, filled, mark);
}

/**
 * Also shown before any film, from the manifest. Beside the figures of the films that chose the threshold stand those of films
 * that chose nothing, where the manifest knows some: they say more about the next film.
 *
 * @param model manifest of the bundle, or null where it could not be read.
 */
export function figuresOf(point, model) {
  const tested = figuresOnTest(point, model);
  return [
    whiskers(`${point.finding} is called from a probability of ${percent(point.threshold)}`, point),
    element("p", { className: "quiet" }, `95 % intervals; measured on ${point.data}. Elsewhere they may differ.`),
    ...(tested === null ? [] : [whiskers(tested.words, tested.metrics)]),
  ];
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
