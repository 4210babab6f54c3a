/** Waiting politely for a service that is busy: as long as it asks, longer each time, and never in step with others. */

const BUSY = new Set([429, 503]);
const LONGEST_EXTRA_S = 30;
const DEFAULT_S = 2;

/** Seconds until attempt `attempt` (from 0) is repeated; the first time exactly what Retry-After says. */
export function delayS(retryAfterS, attempt, random = Math.random) {
  const asked = Number.isFinite(retryAfterS) && retryAfterS > 0 ? retryAfterS : DEFAULT_S;
  return Math.ceil(asked + Math.min(LONGEST_EXTRA_S, 2 ** attempt - 1) * random());
}

/**
 * Do `work` until it is not refused for want of capacity.
 *
 * @param work returns a promise; may reject with a Problem.
 * @param signal an AbortSignal: the caller gave up, also while waiting.
 * @param waiting called each second with the seconds left and the problem.
 */
export async function patiently(work, { signal, waiting }) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (problem) {
      if (!BUSY.has(problem.status)) throw problem;
      for (let left = delayS(problem.retryAfterS, attempt); left > 0; left -= 1) {
        waiting(left, problem);
        await second(signal);
      }
    }
  }
}

function second(signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, 1000);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
}
