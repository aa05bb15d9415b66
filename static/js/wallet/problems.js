/** Everything that can go wrong, as sentences that say what to do. */

/** `quiet`: the person knows already; it is said without alarm. */
export class WalletProblem extends Error {
  constructor(code, message, { quiet = false } = {}) {
    super(message);
    this.code = code;
    this.quiet = quiet;
  }
}

const OTHER_TEXT = "The wallet signed something else than this page asked for. Try again, or use another wallet.";
const TOO_LATE = "This took too long, or was begun in another tab. Try again.";
const SIGNED_OUT = "You have been signed out meanwhile. Sign in again.";

const SENTENCES = {
  invalid_nonce: TOO_LATE,
  expired: TOO_LATE,
  issued_at_out_of_range: TOO_LATE,
  expiration_out_of_range: TOO_LATE,
  not_yet_valid: TOO_LATE,
  malformed_message: OTHER_TEXT,
  bad_checksum: OTHER_TEXT,
  domain_mismatch: OTHER_TEXT,
  scheme_mismatch: OTHER_TEXT,
  uri_mismatch: OTHER_TEXT,
  statement_mismatch: OTHER_TEXT,
  unexpected_field: OTHER_TEXT,
  chain_not_allowed: "This chain is not accepted here. Switch the wallet to another one and try again.",
  malformed_signature: "The wallet sent a signature of a kind that is not accepted here. Smart-contract wallets may not work.",
  invalid_signature: "The signature is not by the account that the wallet named. Choose the account in the wallet and try again.",
  account_inactive: "This account has been closed. Ask us if you think it should not be.",
  not_authenticated: SIGNED_OUT,
  reauthentication_required: "Confirm first that it is you.",
  csrf_failed: "The browser did not send our cookie. Allow cookies for this site, reload the page and try again.",
  signup_closed: "New accounts cannot be made at present. Sign in with a wallet or an address that is known here.",
  connected_other: "This wallet belongs to another account. Sign in with it and remove it there first.",
  not_found: "Signing in with a wallet is switched off here.",
  unavailable: "A part of this service is down. Nothing has changed; try again in a moment.",
  unreachable: "The server cannot be reached. Check the connection and try again.",
};

/** The problem in an answer of our own server. @param {number|null} wait seconds */
export function serverProblem(code, message, wait = null) {
  if (code === "rate_limited") {
    return new WalletProblem(code, `Too many attempts. Try again in ${wait ?? 60} seconds.`);
  }
  return new WalletProblem(code, SENTENCES[code] ?? message ?? "Something went wrong. Try again.");
}

const REFUSED = 4001;
const ALREADY_OPEN = -32002;
const UNAUTHORISED = 4100;
const DISCONNECTED = new Set([4900, 4901]);

/** What a wallet threw at us while it was asked to `doing`. */
export function providerProblem(error, name, doing) {
  if (error instanceof WalletProblem) return error;
  const code = error?.code;
  if (code === REFUSED || code === "ACTION_REJECTED") {
    return new WalletProblem("refused", `You declined in ${name}. Nothing has happened.`, { quiet: true });
  }
  if (code === ALREADY_OPEN) {
    return new WalletProblem("already_open", `${name} is waiting for you: a request is open already. Open it, answer there, then try again.`);
  }
  if (code === UNAUTHORISED) {
    return new WalletProblem("locked", `${name} is locked or does not know this site. Open it, unlock it, then try again.`);
  }
  if (DISCONNECTED.has(code)) {
    return new WalletProblem("disconnected", `${name} has no connection to its chain. Check it and try again.`);
  }
  // The wallet's own words go to the console: on the page they could pass for ours.
  console.info(`${name} could not ${doing}:`, error);
  return new WalletProblem("wallet_failed", `${name} could not ${doing}. Open it, see what it says, then try again.`);
}
