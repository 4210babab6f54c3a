/** Pointer, wheel and fingers on the film: drag sets the window or moves the film, the wheel and two fingers zoom. */

const PIXELS_OF_RANGE = 600; // dragging so far moves the window by the film's whole range
const WHEEL_STEP = 1.0015;

/**
 * @param viewer commands go there.
 * @param dragPans asked at each drag: whether it moves the film; Shift, or another button than the first, does the other.
 */
export function listenToGestures(canvas, viewer, dragPans) {
  const pointers = new Map();
  const place = ({ clientX, clientY }) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  };
  const end = (event) => pointers.delete(event.pointerId);

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const now = place(event);
    const [x, y] = [now.x - before.x, now.y - before.y];
    if (pointers.size > 1) pinch(viewer, pointers, event.pointerId, now);
    else if (dragPans() !== (event.shiftKey || event.buttons > 1)) viewer.panBy(x, y);
    else viewer.shiftWindow(y / PIXELS_OF_RANGE, x / PIXELS_OF_RANGE);
    pointers.set(event.pointerId, now);
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, end);
  canvas.addEventListener("dblclick", () => viewer.fit());
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      viewer.zoomBy(WHEEL_STEP ** -event.deltaY, place(event));
    },
    { passive: false },
  );
}

/** Two fingers: their distance zooms, their middle moves. Each finger's step counts half. */
function pinch(viewer, pointers, moved, now) {
  const before = pointers.get(moved);
  const [, other] = [...pointers].find(([id]) => id !== moved);
  const distance = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
  viewer.panBy((now.x - before.x) / 2, (now.y - before.y) / 2);
  viewer.zoomBy(distance(now) / distance(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
}
