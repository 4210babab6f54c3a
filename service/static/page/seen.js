/** What kind of film it is, as the bundle's guide saw it, and which bundle answered. */

import { element } from "./dom.js";
import { ages, percent, reason } from "./words.js";

/** @param traits by name; null: the bundle has no guide. */
export function seenTraits(traits) {
  const pairs = Object.entries(traits).flatMap(([name, { value, probability, accepted }]) => [
    element("dt", {}, name[0].toUpperCase() + name.slice(1)),
    element("dd", {}, `${value}, ${percent(probability)}`, accepted ? null : element("strong", {}, " – not what the network was trained on")),
  ]);
  return element("dl", { className: "traits" }, ...pairs);
}

/** @param model manifest of the bundle that answered, or null where it could not be read. */
export function answeredBy({ model: { name, version } }, model) {
  const population = model?.population ?? null;
  const whom = population === null ? "" : `, population: ${ages(population)}`;
  return element("p", { className: "by quiet" }, "By ", element("strong", {}, `${name} ${version}`), `${whom}.`);
}

/** Every reason for no answer; the recommendation tells the first. */
export function reasons({ abstention_reasons: names }) {
  return element("ul", { className: "reasons" }, ...names.map((name) => element("li", {}, reason(name))));
}
