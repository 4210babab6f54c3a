/** What each key does. */

import { saveJson, saveOverlay } from "./downloads.js";
import { byId } from "./dom.js";

const PANS = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }; // CSS pixels
const WINDOWS = { "Shift+ArrowLeft": [0, -0.02], "Shift+ArrowRight": [0, 0.02], "Shift+ArrowUp": [-0.02, 0], "Shift+ArrowDown": [0.02, 0] }; // level and width, shares of the film's range
const FAINTER = 0.1;

/** The table for `listenToKeys`. */
export function shortcuts(viewer, actions) {
  const press = (id) => () => byId(id).disabled || byId(id).closest("fieldset")?.disabled || byId(id).click();
  const said = (id, words, isOn) => () => {
    press(id)();
    actions.announce(`${words} ${isOn(viewer.options) ? "on" : "off"}`);
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
    { keys: ["h"], words: "Heat map on or off", press: said("heat", "Heat map", ({ heat }) => heat) },
    { keys: ["p"], words: "Hold: peek at the heat map", press: peek(true), release: peek(false) },
    { keys: ["s"], words: "Film and heat map side by side", press: said("beside", "Side by side", ({ sideBySide }) => sideBySide) },
    { keys: ["e"], words: "Explain the next finding", press: next },
    { keys: [","], words: "Heat map fainter", press: fade(-FAINTER) },
    { keys: ["."], words: "Heat map stronger", press: fade(FAINTER) },
    { keys: ["i"], words: "Invert", press: said("invert", "Inverted", ({ inverted }) => inverted) },
    { keys: ["a"], words: "Automatic window", press: press("auto") },
    { keys: ["f"], words: "Fit the whole film", press: press("fit") },
    { keys: ["1"], words: "Film pixels on screen pixels", press: press("actual") },
    { keys: ["+", "="], words: "Zoom in", press: press("zoom-in") },
    { keys: ["-"], words: "Zoom out", press: press("zoom-out") },
    { keys: Object.keys(PANS), name: "← → ↑ ↓", words: "On the film: move it", press: (key) => viewer.panBy(...PANS[key]) },
    { keys: Object.keys(WINDOWS), name: "Shift ← → ↑ ↓", words: "On the film: contrast and brightness", press: (key) => viewer.shiftWindow(...WINDOWS[key]) },
    { keys: ["r"], words: "Film as it came", press: press("reset") },
    { keys: ["c"], words: "Verdict: the answer is correct", press: press("accept") },
    { keys: ["w"], words: "Verdict: the answer is wrong", press: press("reject") },
    { keys: ["d"], words: "Download the answer as JSON", press: answered(saveJson) },
    { keys: ["g"], words: "Download the overlay as PNG", press: explained(saveOverlay) },
    { keys: ["t"], words: "Print or PDF", press: press("print") },
    { keys: ["m"], words: "Model card", press: press("show-card"), everywhere: true },
    { keys: ["?"], words: "These keys", press: press("show-help"), everywhere: true },
  ];
}
