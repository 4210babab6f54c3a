/** What stands in the answer's place before any film: what the model looks for, and how well it did. */

import { operatingPoint, section } from "./answer.js";
import { byId, element } from "./dom.js";
import { detail } from "./status.js";

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
  const { name, version, architecture, classes, negative_class, intended_use, calibration } = model;
  const findings = classes.filter((each) => each !== negative_class);
  return [
    element("h2", {}, `Looks for ${findings.join(", ")}`),
    element("p", {}, "And for nothing else: a film on which it calls none of this may show anything else."),
    ...calibration.operating_points.map((point) => operatingPoint(point, model)),
    section("Model", element("p", {}, `${name} ${version}, ${architecture}`), element("p", { className: "quiet" }, intended_use)),
  ];
}
