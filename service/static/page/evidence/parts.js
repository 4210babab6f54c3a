/** What the views share: cards, tables that scroll by themselves, figures and moments in words. */

import { element } from "../dom.js";
import { interval } from "../words.js";

export const shareOf = (estimate) => (estimate === null ? "–" : interval(estimate));
export const signed = ({ value, low, high }) => [value, low, high].map((each) => `${each < 0 ? "−" : "+"}${(100 * Math.abs(each)).toFixed(1)}`).reduce((text, each, place) => (place === 0 ? `${each} points` : place === 1 ? `${text} (${each}` : `${text} to ${each})`), "");
export const moment = (text) => (text === null ? "never" : new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }));
export const stated = (text) => (text === "" || text === null ? "not stated" : text);

export function card(title, ...content) {
  return element("section", { className: "card" }, element("h3", {}, title), ...content);
}

/** @param rows arrays of cells; the first of each is its head. */
export function table(caption, heads, rows) {
  const cell = (content, index) => (index === 0 ? element("th", { scope: "row" }, content) : element("td", {}, content));
  const grid = element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell)))),
  );
  return element("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: caption }, grid);
}

export function facts(pairs) {
  return element("dl", {}, ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

/** A word that a decision is read from, with a sign that needs no colour. */
export function badge(kind, sign, words) {
  return element("span", { className: `badge ${kind}` }, element("span", { ariaHidden: "true" }, `${sign} `), words);
}
