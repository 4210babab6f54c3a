/** A person's verdict about the stored answer of a film that came by DICOMweb: right or wrong, by two keys. */

import { giveVerdict, storedResult } from "./api.js";
import { announce, byId } from "./dom.js";

const META = 132; // preamble and "DICM"; the elements of group 2 that follow are explicit, little endian: PS3.10 7.1
const UID_OF_FILM = 0x0003;
const LONG = ["OB", "OW", "UN"]; // value representations whose length has 32 bits: PS3.5 7.1.2
const WORDS = { accept: "correct", reject: "wrong" };

const stored = new WeakMap(); // what is known of an entry: { uid, result, told }

/** The SOPInstanceUID that a DICOM file states in its head; null where it is no DICOM file. */
export async function uidOf(file) {
  const view = new DataView(await file.slice(0, 4096).arrayBuffer());
  const text = (at, length) => String.fromCharCode(...new Uint8Array(view.buffer, at, length));
  if (view.byteLength < META + 8 || text(META - 4, 4) !== "DICM") return null;
  for (let at = META; at + 12 <= view.byteLength && view.getUint16(at, true) === 2; ) {
    const isLong = LONG.includes(text(at + 4, 2));
    const length = isLong ? view.getUint32(at + 8, true) : view.getUint16(at + 6, true);
    const start = at + (isLong ? 12 : 8);
    if (start + length > view.byteLength) return null;
    if (view.getUint16(at + 2, true) === UID_OF_FILM) return text(start, length).replace(/[\0 ]+$/, "");
    at = start + length;
  }
  return null;
}

/** Offer a verdict where the service has an answer of this film; it is asked once. */
export async function offerVerdict(entry, isSelected) {
  if (entry.state === "answered" && !stored.has(entry)) {
    stored.set(entry, null);
    show(null);
    stored.set(entry, await answerOf(entry));
    if (!isSelected()) return;
  }
  show(stored.get(entry) ?? null);
}

async function answerOf(entry) {
  try {
    const uid = await uidOf(entry.file);
    if (uid === null) return null;
    const result = await storedResult(uid);
    return result.analysis === null ? null : { uid, result, told: "" };
  } catch {
    return null; // the film never came by DICOMweb, or this caller may not see it
  }
}

function show(known) {
  byId("verdict").hidden = known === null;
  if (known === null) return;
  const { model, prediction } = known.result.analysis;
  const said = prediction.findings.map(({ name, decision }) => `${name} ${decision}`).join(", ");
  byId("verdict-about").textContent = `This film came by DICOMweb, and ${model.name} ${model.version} answered: ${said}.`;
  byId("verdict-state").textContent = known.told;
}

/** @param selected gives the chosen entry, or null. */
export function listenToVerdicts(selected) {
  for (const id of Object.keys(WORDS)) byId(id).addEventListener("click", () => judge(selected(), id));
}

async function judge(entry, verdict) {
  const known = entry === null ? null : (stored.get(entry) ?? null);
  if (known === null) return;
  try {
    const { truth } = await giveVerdict(known.uid, verdict);
    const held = Object.entries(truth).map(([finding, presence]) => `${finding} ${presence}`);
    known.told = `Stored: the answer is ${WORDS[verdict]}. ${held.length > 0 ? `The film counts as ${held.join(", ")}.` : "It decided nothing."}`;
  } catch ({ title, detail }) {
    known.told = `Not stored. ${title}: ${detail}`;
  }
  show(known);
  announce(known.told);
}
