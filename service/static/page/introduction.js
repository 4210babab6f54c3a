/** What stands in the answer's place before any film: what the model looks for, and how well it did. */

import { operatingPoint, section } from "./answer.js";
import { byId, element } from "./dom.js";
import { operatingPoints } from "./findings.js";
import { detail } from "./status.js";
import { ages } from "./words.js";

/** @param told `model` (a manifest), or `problem`, with `againInS` where the page asks again by itself. */
export function showIntroduction({ model = null, problem = null, againInS = null }) {
  byId("result").replaceChildren(...(model === null ? [] : introduction(model)));
  byId("status").replaceChildren(...(problem === null ? [] : trouble(problem, againInS)));
}

function trouble(problem, againInS) {
  const again = againInS === null ? "" : `: asking again in ${againInS} s`;
  return [element("p", {}, element("strong", {}, problem.title), `${again}.`), detail(problem)];
}

function introduction(model) {
  const { name, version, architecture, classes, negative_class, intended_use, calibration, population } = model;
  const findings = classes.filter((each) => each !== negative_class);
  const points = calibration.operating_points.map((point) => ({ operating_point: point }));
  return [
    element("h2", {}, `Looks for ${findings.join(", ")}`),
    element("p", {}, "And for nothing else: a film on which it calls none of this may show anything else."),
    population === null ? null : element("p", {}, `Population: ${ages(population)}. Other films get no answer.`),
    ...(points.length === 1 ? [operatingPoint(points[0].operating_point, model)] : [section("Operating points", ...operatingPoints(points, model))]),
    section("Model", element("p", {}, `${name} ${version}, ${architecture}`), element("p", { className: "quiet" }, intended_use)),
  ].filter((part) => part !== null);
}
