/** What each key does. */

import { saveJson, saveOverlay } from "./downloads.js";
import { byId } from "./dom.js";

const PAN = 40; // CSS pixels
const SHARE = 0.02; // of the film's range
const FAINTER = 0.1;

/** The table for `listenToKeys`. */
export function shortcuts(viewer, actions) {
  const press = (id) => () => byId(id).disabled || byId(id).closest("fieldset")?.disabled || byId(id).click();
  const said = (id, words) => () => {
    press(id)();
    actions.announce(`${words} ${byId(id).ariaPressed === "true" ? "on" : "off"}`);
  };
  const peek = (isHeld) => () => viewer.set({ peek: isHeld });
  const fade = (change) => () => viewer.set({ opacity: Math.min(1, Math.max(0, viewer.options.opacity + change)) });
  const answered = (save) => () => actions.selected()?.answer && save(actions.selected());
  const explained = (save) => () => actions.selected()?.answer?.explanation && save(actions.selected());
  const next = () => {
    const select = byId("finding");
    const { options, value } = select;
    const names = [...options].map((option) => option.value);
    if (names.length > 0) actions.explain(names[(names.indexOf(value) + 1) % names.length]);
  };
  return [
    { keys: ["o"], words: "Open films", press: actions.open },
    { keys: ["n"], words: "Next film", press: () => actions.step(1) },
    { keys: ["b"], words: "Film before", press: () => actions.step(-1) },
    { keys: ["Escape"], words: "Cancel what is being read", press: actions.cancel },
    { keys: ["h"], words: "Heat map on or off", press: said("heat", "Heat map") },
    { keys: ["p"], words: "Hold: peek at the heat map", press: peek(true), release: peek(false) },
    { keys: ["s"], words: "Film and heat map side by side", press: said("beside", "Side by side") },
    { keys: ["e"], words: "Explain the next finding", press: next },
    { keys: [","], words: "Heat map fainter", press: fade(-FAINTER) },
    { keys: ["."], words: "Heat map stronger", press: fade(FAINTER) },
    { keys: ["i"], words: "Invert", press: said("invert", "Inverted") },
    { keys: ["a"], words: "Automatic window", press: press("auto") },
    { keys: ["f"], words: "Fit the whole film", press: press("fit") },
    { keys: ["1"], words: "Film pixels on screen pixels", press: press("actual") },
    { keys: ["+", "="], words: "Zoom in", press: press("zoom-in") },
    { keys: ["-"], words: "Zoom out", press: press("zoom-out") },
    { keys: ["ArrowLeft"], words: "On the film: move it", press: () => viewer.panBy(PAN, 0) },
    { keys: ["ArrowRight"], words: "On the film: move it", press: () => viewer.panBy(-PAN, 0) },
    { keys: ["ArrowUp"], words: "On the film: move it", press: () => viewer.panBy(0, PAN) },
    { keys: ["ArrowDown"], words: "On the film: move it", press: () => viewer.panBy(0, -PAN) },
    { keys: ["Shift+ArrowUp"], words: "On the film: brighter", press: () => viewer.shiftWindow(-SHARE, 0) },
    { keys: ["Shift+ArrowDown"], words: "On the film: darker", press: () => viewer.shiftWindow(SHARE, 0) },
    { keys: ["Shift+ArrowLeft"], words: "On the film: narrower window, more contrast", press: () => viewer.shiftWindow(0, -SHARE) },
    { keys: ["Shift+ArrowRight"], words: "On the film: wider window, less contrast", press: () => viewer.shiftWindow(0, SHARE) },
    { keys: ["r"], words: "Film as it came", press: press("reset") },
    { keys: ["d"], words: "Download the answer as JSON", press: answered(saveJson) },
    { keys: ["g"], words: "Download the overlay as PNG", press: explained(saveOverlay) },
    { keys: ["t"], words: "Print or PDF", press: press("print") },
    { keys: ["m"], words: "Model card", press: press("show-card") },
    { keys: ["?"], words: "These keys", press: press("show-help") },
  ];
}
