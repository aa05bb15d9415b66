/**
 * The wallets of this browser, by EIP-6963, and `window.ethereum` where nothing announces itself.
 *
 * A wallet says its own name, so nothing here is trusted: text stays text, and an icon is only ever
 * the source of an `<img>`.
 *
 * @typedef {{id: string, name: string, rdns: string, icon: string|null, provider: object}} Wallet
 */

const REMEMBERED = "wallet";
const DEMO = "demo.quayside";
const FALLBACK_AFTER_MS = 300;
const LONGEST_NAME = 40;
const LONGEST_ICON = 100_000;
// More than anybody installs; an extension that announces itself without end stops here.
const MOST_WALLETS = 12;
// Characters that draw nothing or turn the direction of what follows.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu;
// A name of a domain, backwards.
const RDNS = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/i;

/** Holds what was found; dispatches `change` whenever there is one more. */
export class Discovery extends EventTarget {
  constructor() {
    super();
    /** @type {Wallet[]} */
    this.wallets = [];
    this.settled = false;
  }

  /** Listening comes first: a wallet answers the request while it is being dispatched. */
  start() {
    addEventListener("eip6963:announceProvider", ({ detail }) => this.add(detail));
    dispatchEvent(new Event("eip6963:requestProvider"));
    setTimeout(() => this.settle(), FALLBACK_AFTER_MS);
  }

  add(detail) {
    const wallet = read(detail);
    if (!wallet || this.wallets.length >= MOST_WALLETS) return;
    if (this.wallets.some(({ id }) => id === wallet.id)) return;
    this.wallets = this.wallets.filter(({ id, provider }) => id || provider !== wallet.provider);
    this.wallets.push(wallet);
    this.dispatchEvent(new Event("change"));
  }

  settle() {
    this.settled = true;
    const provider = window.ethereum;
    const installed = this.wallets.some(({ rdns }) => rdns !== DEMO);
    if (!installed && typeof provider?.request === "function") {
      this.wallets.unshift({ id: "", name: "Browser wallet", rdns: "", icon: null, provider });
    }
    this.dispatchEvent(new Event("change"));
  }

  /** The wallet used last stands first. */
  sorted() {
    const last = recall();
    return [...this.wallets].sort((one, other) => (other.rdns === last) - (one.rdns === last));
  }
}

/** Keep the choice by `rdns`: a `uuid` is new on every page. */
export function remember({ rdns }) {
  try {
    if (rdns) localStorage.setItem(REMEMBERED, rdns);
  } catch (error) {
    console.info("The choice of wallet is not remembered:", error.message);
  }
}

function recall() {
  try {
    return localStorage.getItem(REMEMBERED) ?? NaN;
  } catch {
    // Storage is switched off; then nothing was remembered either.
    return NaN;
  }
}

function read(detail) {
  const { info, provider } = detail ?? {};
  if (typeof provider?.request !== "function" || typeof info?.uuid !== "string" || !info.uuid) return null;
  const rdns = typeof info.rdns === "string" && info.rdns.length <= LONGEST_NAME && RDNS.test(info.rdns);
  return {
    id: info.uuid,
    name: clean(info.name) || "Unnamed wallet",
    rdns: rdns ? info.rdns : "",
    icon: isImage(info.icon) ? info.icon : null,
    provider,
  };
}

function clean(name) {
  if (typeof name !== "string") return "";
  return [...name.slice(0, 4 * LONGEST_NAME).replace(UNSEEN, "").trim()].slice(0, LONGEST_NAME).join("");
}

/** Only what is in the announcement itself: an address would tell its server who signs in here. */
function isImage(icon) {
  return typeof icon === "string" && icon.length <= LONGEST_ICON && /^data:image\/[a-z0-9.+-]+[;,]/i.test(icon);
}
