/** The banner of a service that answers nobody now, because it is suspended or silent. */

import { readiness } from "./api.js";
import { announce, byId } from "./dom.js";

let told = null;

/** Ask the service how it stands; a service that is not there says so elsewhere. */
export async function showStanding() {
  const ready = await readiness().catch(() => null);
  if (ready === null) return;
  const [title, words] = standingOf(ready);
  byId("banner").hidden = title === null;
  byId("banner-title").textContent = title ?? "";
  byId("banner-words").textContent = words;
  if (title !== told && title !== null) announce(`${title} ${words}`);
  told = title;
}

/** Whether an answer shows that the banner is out of date: the service was stopped, or goes on. */
export function isNewStanding({ mode, prediction }) {
  const isOff = mode === "silent" || prediction.abstention_reasons.includes("suspended");
  return isOff !== (told !== null);
}

function standingOf({ suspended = null, mode = "active" }) {
  if (suspended !== null) return ["Suspended.", `Films are analysed and not answered, ${suspended}`];
  if (mode === "silent") return ["Silent trial.", "Films are analysed and stored; nothing is delivered, and no answer is for care."];
  return [null, ""];
}
