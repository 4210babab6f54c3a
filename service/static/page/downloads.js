/** What can be taken along: the answer as JSON, the overlay as PNG. */

import { bytesOfBase64, save } from "./dom.js";

// Named by the request: the film's own name may name a patient.
export function saveJson({ answer }) {
  save(`cxr-${answer.request_id}.json`, new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
}

export function saveOverlay({ answer }) {
  const overlay = bytesOfBase64(answer.explanation.overlay_png_base64);
  save(`cxr-${answer.request_id}-${answer.explanation.finding}.png`, new Blob([overlay], { type: "image/png" }));
}
