/** Keys for everything, from one table that the help is made of, too. */

import { byId, element } from "./dom.js";

const OFF = "single-keys-off"; // WCAG 2.1.4: single keys can be switched off; kept for this tab

/**
 * @param {{keys: string[], name?: string, words: string, press: Function, release?: Function}[]} shortcuts
 *   `keys` as KeyboardEvent.key names them, "Shift+" before an arrow; the help shows `name`, else the first.
 *   An arrow belongs to the film: elsewhere it scrolls. Where no films are shown, those keys work that are `everywhere`.
 */
export function listenToKeys(shortcuts) {
  const isOn = byId("single-keys");
  isOn.checked = sessionStorage.getItem(OFF) === null;
  isOn.addEventListener("change", () => (isOn.checked ? sessionStorage.removeItem(OFF) : sessionStorage.setItem(OFF, "1")));
  const find = (event) => shortcuts.find(({ keys }) => keys.includes(stroke(event)));
  document.addEventListener("keydown", (event) => {
    if (!isOn.checked || isTyping(event)) return;
    const shortcut = find(event);
    if (shortcut === undefined || (byId("films").hidden && !shortcut.everywhere)) return;
    event.preventDefault();
    if (!event.repeat || !shortcut.release) shortcut.press(stroke(event));
  });
  document.addEventListener("keyup", (event) => find(event)?.release?.());
  addEventListener("blur", () => shortcuts.forEach(({ release }) => release?.())); // the key goes up elsewhere
  byId("shortcuts").replaceChildren(
    ...shortcuts.flatMap(({ keys, name, words }) => [element("dt", {}, element("kbd", {}, name ?? nameOf(keys[0]))), element("dd", {}, words)]),
  );
}

function stroke({ key, shiftKey }) {
  if (key.startsWith("Arrow")) return shiftKey ? `Shift+${key}` : key;
  return key.length === 1 ? key.toLowerCase() : key;
}

function isTyping({ target, key, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey || byId("help").open || byId("card").open) return true;
  if (key.startsWith("Arrow")) return target !== byId("film");
  return target.matches("select, input[type=number], input[type=password]");
}

const nameOf = (key) => (key === "Escape" ? "Esc" : key.toUpperCase());
