/** Wallets as large buttons. What a wallet says of itself is text and the source of an image, no more. */

const BLANK = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect x='1.5' y='4' width='13' height='9.5' rx='2' fill='none' stroke='%237c8795' stroke-width='1.5'/%3E%3Ccircle cx='11.5' cy='8.75' r='1.25' fill='%237c8795'/%3E%3C/svg%3E";

/** The list of one panel. Buttons once drawn stay, so that the focus never jumps. */
export class Chooser {
  /** @param {HTMLElement} list @param {(wallet: import("./discovery.js").Wallet) => void} onChoose */
  constructor(list, onChoose) {
    this.list = list;
    this.onChoose = onChoose;
    /** @type {Map<object, HTMLButtonElement>} by provider */
    this.buttons = new Map();
  }

  show(wallets) {
    this.list.querySelector("[data-wallets-looking]")?.remove();
    const providers = new Set(wallets.map(({ provider }) => provider));
    for (const [provider, button] of this.buttons) {
      if (providers.has(provider)) continue;
      button.parentElement.remove();
      this.buttons.delete(provider);
    }
    wallets.forEach((wallet, index) => {
      if (this.buttons.has(wallet.provider)) return;
      const item = document.createElement("li");
      item.append(this.button(wallet));
      this.list.insertBefore(item, this.list.children[index] ?? null);
    });
  }

  button(wallet) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "wallet";
    button.append(image(wallet.icon), words(wallet));
    button.addEventListener("click", () => this.onChoose(wallet));
    this.buttons.set(wallet.provider, button);
    return button;
  }

  /** While one wallet is asked the others wait. Its own button keeps the focus. */
  setBusy(wallet) {
    for (const [provider, button] of this.buttons) {
      const asked = provider === wallet?.provider;
      button.disabled = Boolean(wallet) && !asked;
      if (asked) button.setAttribute("aria-busy", "true");
      else button.removeAttribute("aria-busy");
    }
  }
}

function image(icon) {
  const drawn = document.createElement("img");
  drawn.alt = "";
  drawn.width = drawn.height = 32;
  drawn.addEventListener("error", () => (drawn.src = BLANK), { once: true });
  drawn.src = icon ?? BLANK;
  return drawn;
}

/** Two wallets may call themselves the same; the second line tells them apart. */
function words({ name, rdns }) {
  const both = document.createElement("span");
  both.className = "wallet__words";
  for (const [className, text] of [["wallet__name", name], ["wallet__rdns", rdns]]) {
    if (!text) continue;
    const line = document.createElement("span");
    line.className = className;
    const isolated = document.createElement("bdi");
    isolated.textContent = text;
    line.append(isolated);
    both.append(line);
  }
  return both;
}
