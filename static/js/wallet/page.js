/** Puts wallet sign-in on the page: every `[data-wallets]` becomes a panel of one purpose. */

import { Chooser } from "./chooser.js";
import { Discovery, remember } from "./discovery.js";
import { WalletProblem } from "./problems.js";

const discovery = new Discovery();
const GIVEN_UP = new WalletProblem("given_up", "Stopped. Nothing has happened.", { quiet: true });

/**
 * A list of wallets and what is said about the one that was chosen.
 *
 * Attributes of `root`: `data-purpose` (login, connect, reauth), `data-landing` (where to go then;
 * `next` in the address comes first), `data-linked` (addresses, space between), `data-mfa`.
 */
class Panel {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(`[data-wallets-${name}]`);
    this.purpose = root.dataset.purpose;
    this.chooser = new Chooser(this.find("list"), (wallet) => this.choose(wallet));
    this.find("again").addEventListener("click", () => this.choose(this.wallet));
    this.find("cancel").addEventListener("click", () => this.giveUp());
    discovery.addEventListener("change", () => this.show());
  }

  show() {
    const { wallets, settled } = discovery;
    if (wallets.length || settled) this.chooser.show(discovery.sorted());
    this.find("none").hidden = wallets.length > 0 || !settled;
  }

  async choose(wallet) {
    if (this.attempt) return;
    this.wallet = wallet;
    this.begin();
    try {
      const proved = await this.prove(wallet);
      remember(wallet);
      this.finish(proved);
    } catch (problem) {
      this.fail(problem);
    }
  }

  /** @returns what the server answered. A missing proof of presence is asked for, once. */
  async prove(wallet) {
    // Most of the bytes, among them the hash of addresses, are needed from here on only.
    const { prove } = await import("./signin.js");
    const linked = (this.root.dataset.linked ?? "").split(" ").filter(Boolean);
    const task = { wallet, linked, next: this.next() ?? this.root.dataset.landing, purpose: this.purpose, signal: this.attempt.signal, say: (text) => this.say(text), mayReplace };
    try {
      return await prove(task);
    } catch (problem) {
      if (problem.code !== "reauthentication_required" || this.purpose === "reauth") throw problem;
      this.say("Confirm first that it is you.");
      await confirmPresence();
      return prove(task);
    }
  }

  begin() {
    this.attempt = new AbortController();
    this.chooser.setBusy(this.wallet);
    this.find("cancel").hidden = false;
    this.find("again").hidden = true;
    this.say(`Opening ${this.wallet.name}…`);
  }

  end() {
    this.attempt = null;
    this.chooser.setBusy(null);
    this.find("cancel").hidden = true;
  }

  giveUp() {
    this.attempt?.abort(GIVEN_UP);
  }

  fail(problem) {
    this.end();
    if (problem.code === "mfa_required") {
      location.assign(this.root.dataset.mfa);
      return;
    }
    if (!(problem instanceof WalletProblem)) console.error(problem);
    const known = problem instanceof WalletProblem ? problem : new WalletProblem("error", "Something went wrong on this page. Reload it and try again.");
    this.say(known.message, known.quiet ? "quiet" : "problem");
    const again = this.find("again");
    again.hidden = false;
    // Cancelling took away the button that had the focus.
    if (document.activeElement === document.body || !document.activeElement) again.focus();
  }

  finish() {
    this.find("cancel").hidden = true;
    const dialog = this.root.closest("dialog[data-wallets-confirm]");
    if (dialog) {
      this.end();
      this.say("");
      dialog.close("proved");
      return;
    }
    this.say("Done. One moment…");
    location.assign(ownAddress(this.next()) ?? ownAddress(this.root.dataset.landing) ?? "/");
  }

  next() {
    return new URLSearchParams(location.search).get("next");
  }

  say(text, tone = "progress") {
    const line = this.find("text");
    line.textContent = text;
    this.find("say").dataset.tone = text ? tone : "";
  }
}

/** `address` if it is on this site, else `null`. The browser's own parser decides, as it will later. */
function ownAddress(address) {
  if (!address || !URL.canParse(address, location.href)) return null;
  const found = new URL(address, location.href);
  return found.origin === location.origin ? found.href : null;
}

/** Ask in the dialog called `name`; whether it was closed with `agreed`. */
function askIn(dialog, agreed) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === agreed), { once: true });
  });
}

/** Signing in signs out who was signed in here, perhaps in another tab. */
function mayReplace(user) {
  const dialog = document.querySelector("dialog[data-wallets-replace]");
  dialog.querySelector("[data-wallets-user]").textContent = user.username;
  return askIn(dialog, "replace");
}

async function confirmPresence() {
  const dialog = document.querySelector("dialog[data-wallets-confirm]");
  if (!(await askIn(dialog, "proved"))) {
    throw new WalletProblem("not_confirmed", "Not confirmed. Nothing has changed.", { quiet: true });
  }
}

function wireDialog(dialog, panel) {
  dialog.addEventListener("close", () => panel.giveUp());
  for (const opener of document.querySelectorAll(`[data-wallets-open="${dialog.id}"]`)) {
    opener.hidden = false;
    opener.addEventListener("click", () => dialog.showModal());
  }
}

for (const root of document.querySelectorAll("[data-wallets]")) {
  const panel = new Panel(root);
  const dialog = root.closest("dialog");
  if (dialog) wireDialog(dialog, panel);
}
discovery.start();
// Going back to a page that was left in the middle of things: begin anew.
addEventListener("pageshow", (event) => event.persisted && location.reload());
