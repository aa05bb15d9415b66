/** Our server's side of signing in: two calls, and errors as `WalletProblem`. */

import { serverProblem } from "./problems.js";

const BASE = "/api/v1/auth/wallet";

/** @param {"login"|"connect"|"reauth"} purpose */
export function fetchNonce(purpose, signal) {
  return call(`${BASE}/nonce?purpose=${purpose}`, { signal });
}

/** @param {string|null} next where to go if a second factor has to be entered first */
export function verify(message, signature, process, next, signal) {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": csrfToken() };
  const body = JSON.stringify({ message, signature, process, next: next ?? "" });
  return call(`${BASE}/verify`, { method: "POST", headers, body, signal });
}

export function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

async function call(url, options) {
  let response;
  try {
    response = await fetch(url, { ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw serverProblem("unreachable", error.message);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const { code = response.status >= 500 ? "unavailable" : "error", message } = answer.error ?? {};
  throw serverProblem(code, message, response.headers.get("Retry-After"));
}
