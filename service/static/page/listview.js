/** The work list as elements: one button a film, and how many are done. */

import { byId, element } from "./dom.js";
import { standing } from "./words.js";

const DONE = new Set(["answered", "failed", "cancelled"]);

export function showList(list) {
  const { entries, selected } = list;
  const done = entries.filter(({ state }) => DONE.has(state)).length;
  byId("list").hidden = entries.length < 2;
  byId("progress").max = entries.length;
  byId("progress").value = done;
  byId("done").textContent = `${done} of ${entries.length}`;
  byId("cancel-all").hidden = done === entries.length;
  const buttons = [...byId("entries").children].map((item) => item.firstChild);
  entries.forEach((entry, index) => {
    const button = buttons[index] ?? added(list, entry);
    const { sign, text } = standing(entry);
    button.className = entry.state;
    button.ariaCurrent = String(entry === selected);
    const [mark, name, words] = button.children;
    mark.textContent = sign;
    name.textContent = entry.name;
    words.textContent = text;
  });
  byId("entries").children[entries.indexOf(selected)]?.scrollIntoView({ block: "nearest" });
}

function added(list, entry) {
  const parts = ["sign", "name", "standing"].map((className) => element("span", { className }));
  parts[0].ariaHidden = "true";
  const button = element("button", { type: "button", onclick: () => list.select(entry) }, ...parts);
  byId("entries").append(element("li", {}, button));
  return button;
}
