/** The heat map of a finding: even colours, as opaque as they are hot, and a line at half of the maximum. */

import { bytesOfBase64 } from "./dom.js";

// Plasma at 17 even steps, straight lines between: perceptually even, readable by colour-blind people, never gray or
// white, which on a film would look like density. Source: Smith and van der Walt, SciPy 2015.
const PLASMA = [
  0x0d0887, 0x310597, 0x4c02a1, 0x6600a7, 0x7e03a8, 0x9511a1, 0xaa2395, 0xbc3587, 0xcc4778,
  0xda5a6a, 0xe66c5c, 0xf0804e, 0xf89540, 0xfdac33, 0xfdc527, 0xf8df25, 0xf0f921,
];
export const HALF = 127.5;
const CONTOUR_CELLS = 256;

/** [red, green, blue] of a heat from 0 to 255. */
export function colour(heat) {
  const position = (heat / 255) * (PLASMA.length - 1);
  const index = Math.min(PLASMA.length - 2, Math.floor(position));
  const share = position - index;
  return [16, 8, 0].map((shift) => {
    const [from, to] = [PLASMA[index], PLASMA[index + 1]].map((hex) => (hex >> shift) & 0xff);
    return Math.round(from + share * (to - from));
  });
}

/** Decode `heatmap_png_base64` into what the viewer lays over a film. */
export async function heatLayer(base64) {
  const bitmap = await createImageBitmap(new Blob([bytesOfBase64(base64)], { type: "image/png" }));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const picture = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const heat = picture.data.filter((_, index) => index % 4 === 0);
  const colours = Array.from({ length: 256 }, (_, value) => colour(value));
  heat.forEach((value, index) => picture.data.set([...colours[value], value], 4 * index));
  context.putImageData(picture, 0, 0);
  const map = { rows: bitmap.height, columns: bitmap.width, values: heat };
  return { canvas, contour: contour(map, HALF) };
}

/**
 * The line where the heat crosses `level`, in units of the film's width and height.
 *
 * Source: Lorensen and Cline, SIGGRAPH 1987, in two dimensions.
 */
export function contour({ rows, columns, values }, level) {
  const path = new Path2D();
  const step = Math.max(1, Math.floor(Math.max(rows, columns) / CONTOUR_CELLS));
  const corner = (row, column) => ({ x: (column + 0.5) / columns, y: (row + 0.5) / rows, heat: values[row * columns + column] });
  for (let row = 0; row + step < rows; row += step) {
    for (let column = 0; column + step < columns; column += step) {
      const corners = [corner(row, column), corner(row, column + step), corner(row + step, column + step), corner(row + step, column)];
      const crossings = corners.flatMap((from, index) => crossing(from, corners[(index + 1) % 4], level));
      for (let index = 0; index + 1 < crossings.length; index += 2) {
        path.moveTo(crossings[index].x, crossings[index].y);
        path.lineTo(crossings[index + 1].x, crossings[index + 1].y);
      }
    }
  }
  return path;
}

function crossing(from, to, level) {
  if (from.heat > level === to.heat > level) return [];
  const share = (level - from.heat) / (to.heat - from.heat);
  return [{ x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) }];
}
