/** The service over HTTP: one request at a time, every failure a Problem. */

import { parseGraymap } from "./film.js";

const KEY = "key"; // in sessionStorage: gone with the tab

export class Problem extends Error {
  /** `body` is RFC 9457 problem+json; `retryAfterS` of the header, null where there was none. */
  constructor({ title, detail, status, code, request_id }, retryAfterS = null) {
    super(detail);
    Object.assign(this, { title, detail, status, code, requestId: request_id, retryAfterS });
  }
}

const UNREACHABLE = {
  title: "The service does not answer",
  detail: "Nothing came back over the network. See whether the service runs, then try again.",
  status: 0,
  code: "unreachable",
  request_id: null,
};

const UNREADABLE = {
  title: "The file cannot be read",
  detail: "The browser could not read it: a folder, or a file that has gone or is locked. Choose it again.",
  status: 0,
  code: "unreadable",
  request_id: null,
};

export const hasKey = () => sessionStorage.getItem(KEY) !== null;
export const keepKey = (key) => sessionStorage.setItem(KEY, key);
export const forgetKey = () => sessionStorage.removeItem(KEY);

export const capabilities = async () => (await ask("capabilities")).json();
export const currentModel = async () => (await ask("models/current")).json();
export const manifest = async ({ name, version }) => (await ask(`models/${name}/${version}`)).json();
export const modelCard = async ({ name, version }) =>
  (await ask(`models/${name}/${version}`, { accept: "text/markdown" })).text();
export const sampleFilm = async (address) => new File([await (await ask(address, { accept: "*/*" })).blob()], "sample.dcm");

export const readiness = async () => (await ask("readyz")).json();
export const acceptanceReports = async () => (await ask("acceptance")).json();
export const acceptanceReport = async (name) => (await ask(`acceptance/${encodeURIComponent(name)}`)).json();
export const reportFile = async (address) => (await ask(address, { accept: "*/*" })).blob();
export const monitoring = async () => (await ask("monitoring")).json();
export const challengerReport = async () => (await ask("models/challenger")).json();
export const storedResult = async (uid) => (await ask(`results/${uid}`)).json();
export const giveVerdict = async (uid, verdict) => (await ask(`results/${uid}/verdict`, { json: { verdict } })).json();

export const decodedFilm = async (file, signal) =>
  parseGraymap(await (await ask("film", { file, signal, accept: "*/*" })).arrayBuffer());

/** Prediction and heat map of `finding` (null: the label); the prediction alone where the model draws no map. */
export async function explain(file, finding, signal) {
  const path = finding === null ? "explain" : `explain?finding=${encodeURIComponent(finding)}`;
  try {
    return await (await ask(path, { file, signal })).json();
  } catch (problem) {
    if (!["explanation_unavailable", "silent"].includes(problem.code)) throw problem;
    return (await ask("predict", { file, signal })).json();
  }
}

let turn = Promise.resolve();

/** One request after the other: this page alone must not fill a small service's queue. */
function ask(path, options = {}) {
  const answer = turn.then(() => send(path, options));
  turn = answer.then(() => undefined, () => undefined);
  return answer;
}

async function send(path, { file = null, json = null, accept = "application/json", signal = null }) {
  const headers = { Accept: accept };
  if (hasKey()) headers["X-API-Key"] = sessionStorage.getItem(KEY);
  // The content says what a film is; its name may name a patient and stays here.
  if (file !== null) headers["Content-Type"] = "application/octet-stream";
  if (json !== null) headers["Content-Type"] = "application/json";
  const body = json !== null ? JSON.stringify(json) : file === null ? null : await contentOf(file);
  let response;
  try {
    response = await fetch(path, { method: body === null ? "GET" : "POST", body, headers, signal });
  } catch (failure) {
    throw signal?.aborted ? failure : new Problem(UNREACHABLE);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function contentOf(file) {
  try {
    return await file.arrayBuffer();
  } catch {
    throw new Problem(UNREADABLE);
  }
}

/** Proxies answer in JSON of their own: only a problem document is the service's, and only if it says something. */
async function problemOf(response) {
  const retryAfter = response.headers.get("Retry-After");
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  const told = isProblem ? await response.json().catch(() => null) : null;
  const body = told?.title && told.detail ? told : {
    title: "An answer that is not the service's",
    detail: `Something between this page and the service answered ${response.status}. Ask who runs the network.`,
    code: "foreign_answer",
    request_id: response.headers.get("X-Request-ID"),
  };
  return new Problem({ ...body, status: response.status }, retryAfter === null ? null : Number(retryAfter));
}
