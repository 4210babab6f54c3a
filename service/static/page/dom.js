/** Elements without markup in strings: what a server says becomes text, never HTML. */

export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Let a screen reader say something that the eye sees by itself. */
export function announce(text) {
  byId("live").textContent = text;
}

export function save(name, blob) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

export function bytesOfBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
