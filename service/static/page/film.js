/** A decoded film: all its gray levels, and how a window makes them brightness. */

/**
 * Read binary PGM, which is what `POST /film` answers.
 *
 * @returns {{rows: number, columns: number, largest: number, values: Uint8Array | Uint16Array}}
 */
export function parseGraymap(buffer) {
  const bytes = new Uint8Array(buffer);
  const fields = [];
  let at = 0;
  while (fields.length < 4) {
    const end = bytes.findIndex((byte, index) => index > at && (byte === 0x20 || byte === 0x0a));
    fields.push(String.fromCharCode(...bytes.subarray(at, end)));
    at = end + 1;
  }
  const [columns, rows, largest] = fields.slice(1).map(Number);
  if (largest < 256) return { rows, columns, largest, values: bytes.subarray(at) };
  const values = new Uint16Array(rows * columns);
  for (let index = 0; index < values.length; index += 1, at += 2) values[index] = (bytes[at] << 8) | bytes[at + 1];
  return { rows, columns, largest, values };
}

/** What the file itself shows: black to white. */
export const wholeWindow = ({ largest }) => ({ center: largest / 2, width: largest });

/** From the 0.5th to the 99.5th percentile of the film's own values. */
export function automaticWindow({ values, largest }) {
  const counts = new Uint32Array(largest + 1);
  for (const value of values) counts[value] += 1;
  const at = (share) => {
    let below = 0;
    return counts.findIndex((count) => (below += count) >= share * values.length);
  };
  const [low, high] = [at(0.005), at(0.995)];
  return { center: (low + high) / 2, width: Math.max(1, high - low) };
}

/** Keep a window on the film: a width of at least one value, a centre that some value has. */
export function bounded({ center, width }, { largest }) {
  const within = (value, low, high) => Math.min(high, Math.max(low, value));
  return { center: within(center, 0, largest), width: within(width, 1, 2 * largest) };
}

/** Brightness 0 to 255 of each value. Source: DICOM PS3.3 C.11.2.1.3.2, LINEAR_EXACT. */
export function lookUpTable({ largest }, { center, width }, inverted) {
  const table = new Uint8ClampedArray(largest + 1);
  for (let value = 0; value <= largest; value += 1) {
    const shown = ((value - center) / width + 0.5) * 255;
    table[value] = inverted ? 255 - shown : shown;
  }
  return table;
}

/** Put the film on a canvas of its own size. */
export function paint(film, window, inverted, canvas) {
  const opaque = new Uint32Array(film.largest + 1);
  lookUpTable(film, window, inverted).forEach((gray, value) => {
    opaque[value] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
  });
  canvas.width = film.columns;
  canvas.height = film.rows;
  const picture = new ImageData(film.columns, film.rows);
  const pixels = new Uint32Array(picture.data.buffer);
  for (let index = 0; index < pixels.length; index += 1) pixels[index] = opaque[film.values[index]];
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
