/**
 * A wallet for machines without one, in demo mode only.
 *
 * Its accounts are the published test accounts of the development chain: everybody has their keys, so
 * nothing of worth may ever be sent to them. The keys stay on the server, which signs messages for
 * this site alone.
 */

const ACCOUNTS = [
  "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
  "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
];
const CHAIN = "0x7a69";
const ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%237d5100'/%3E%3Cpath d='M6.5 3.5h3M7 3.5v3L4.6 11c-.4.7.1 1.5.9 1.5h5c.8 0 1.3-.8.9-1.5L9 6.5v-3M5.8 9.5h4.4' fill='none' stroke='%23fff' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E";

class ProviderError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

class DemoWallet extends EventTarget {
  async request({ method, params = [] }) {
    if (method === "eth_chainId") return CHAIN;
    if (method === "eth_requestAccounts") return [await this.chooseAccount()];
    if (method === "personal_sign") return this.sign(textOf(params[0]), params[1]);
    throw new ProviderError(4200, `The demo wallet does not know ${method}.`);
  }

  async chooseAccount() {
    const fields = element("fieldset", { className: "demowallet__accounts" }, element("legend", { textContent: "Account" }));
    for (const [index, address] of ACCOUNTS.entries()) {
      const input = element("input", { type: "radio", name: "account", value: address, checked: index === 0 });
      fields.append(element("label", {}, input, element("span", { textContent: `Account ${index + 1}` }), element("code", { textContent: `${address.slice(0, 6)}…${address.slice(-4)}` })));
    }
    const form = await this.open("Choose an account", "Use this account", fields);
    return new FormData(form).get("account");
  }

  async sign(message, address) {
    await this.open("Sign this message?", "Sign", element("pre", { className: "demowallet__message", textContent: message, tabIndex: 0 }));
    const { csrfToken } = await import("./server.js");
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrfToken() };
    const response = await fetch("/demo/wallet/sign", { method: "POST", headers, body: JSON.stringify({ address, message }) });
    const answer = await response.json();
    if (!response.ok) throw new ProviderError(-32603, answer.error.message);
    return answer.signature;
  }

  /** Shows `content` with two buttons; the form when the person agreed. Throws 4001 otherwise. */
  open(title, agree, content) {
    const form = element(
      "form",
      { method: "dialog" },
      element("p", { className: "demowallet__mark", textContent: "Demo wallet: its keys are public. Nothing here is worth anything." }),
      element("h2", { id: "demowallet-title", textContent: title }),
      content,
      element("div", { className: "form__actions" }, element("button", { className: "button button--primary", value: "agree", textContent: agree }), element("button", { className: "button", value: "reject", formNoValidate: true, textContent: "Reject" })),
    );
    const dialog = element("dialog", { className: "dialog demowallet" }, form);
    dialog.setAttribute("aria-labelledby", "demowallet-title");
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve, reject) => {
      dialog.addEventListener("close", () => {
        dialog.remove();
        if (dialog.returnValue === "agree") resolve(form);
        else reject(new ProviderError(4001, "The request was rejected."));
      });
    });
  }
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function textOf(hex) {
  return new TextDecoder().decode(Uint8Array.from(hex.slice(2).match(/../g), (pair) => parseInt(pair, 16)));
}

const info = Object.freeze({ uuid: crypto.randomUUID?.() ?? "demo", name: "Demo wallet", icon: ICON, rdns: "demo.quayside" });
const detail = Object.freeze({ info, provider: new DemoWallet() });
const announce = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
addEventListener("eip6963:requestProvider", announce);
announce();
