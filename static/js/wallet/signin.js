/**
 * One attempt to prove a wallet: accounts, nonce, chain, signature, verification.
 *
 * Nothing is asked of the wallet but by a click. A change of account or chain while the wallet holds
 * our request ends the attempt; it never starts another one by itself.
 */

import { checksummed, hexOf, writeMessage } from "./message.js";
import { WalletProblem, providerProblem, serverProblem } from "./problems.js";
import { fetchNonce, verify } from "./server.js";

export const PATIENCE_MS = 120_000;
const CHAINS = { 1: "Ethereum", 10: "OP Mainnet", 137: "Polygon", 8453: "Base", 31337: "the local chain", 42161: "Arbitrum One", 11155111: "Sepolia" };
const chainName = (id) => CHAINS[id] ?? `chain ${id}`;

/**
 * @param {object} task
 * @param {import("./discovery.js").Wallet} task.wallet
 * @param {"login"|"connect"|"reauth"} task.purpose
 * @param {string[]} task.linked addresses of the account that is signed in
 * @param {string|null} task.next where this is to lead, if not to the usual page
 * @param {AbortSignal} task.signal aborted when the person gives up
 * @param {(sentence: string) => void} task.say what happens now
 * @param {(user: object) => Promise<boolean>} task.mayReplace whether to sign `user` out
 * @returns {Promise<{user: object, address: string, chainId: number}>}
 * @throws {WalletProblem}, or the signal's reason
 */
export async function prove(task) {
  const { name } = task.wallet;
  task.say(`Choose an account in ${name}.`);
  const accounts = await ask(task, "show its accounts", "eth_requestAccounts");
  const address = choose(accounts, task);
  const issued = await issue(task);
  const chainId = await settleChain(task, issued.chainIds);
  const message = writeMessage(issued, address, chainId);
  task.say(`Read and sign the message in ${name}. It costs nothing.`);
  const signature = await sign(task, { message, address, accounts, chainId });
  task.say("Checking the signature…");
  return verify(message, signature, task.purpose, task.next, task.signal);
}

/** Signing in takes the selected account, adding a new one, confirming a linked one. */
function choose(accounts, { wallet, purpose, linked }) {
  const known = new Set(linked.map((address) => address.toLowerCase()));
  const offered = Array.isArray(accounts) ? accounts.map(checksummed).filter(Boolean) : [];
  if (!offered.length) throw new WalletProblem("no_account", `${wallet.name} showed no account. Make or unlock one there, then try again.`);
  if (purpose === "login") return offered[0];
  const isKnown = (address) => known.has(address.toLowerCase());
  const found = offered.find((address) => isKnown(address) === (purpose === "reauth"));
  if (found) return found;
  throw purpose === "reauth"
    ? new WalletProblem("not_linked", `The account that ${wallet.name} shows is not linked to your account here. Choose one that is, then try again.`)
    : new WalletProblem("already_linked", `The account that ${wallet.name} shows is linked already. Choose another one in the wallet, then try again.`);
}

async function issue({ purpose, signal, mayReplace }) {
  const issued = await fetchNonce(purpose, signal);
  if (issued.domain !== location.host) {
    throw new WalletProblem("other_address", `Signing in with a wallet works at ${new URL(issued.uri).origin} only. Open that address and try again.`);
  }
  // Known before anybody signs in vain.
  if (issued.reauthenticate) throw serverProblem("reauthentication_required");
  if (purpose === "login" && issued.user && !(await mayReplace(issued.user))) {
    throw new WalletProblem("kept", "You stay signed in as before.", { quiet: true });
  }
  return issued;
}

async function settleChain(task, accepted) {
  const { name } = task.wallet;
  const current = await currentChain(task);
  if (accepted.includes(current)) return current;
  const [wanted] = accepted;
  task.say(`${name} is on ${chainName(current)}. Let it switch to ${chainName(wanted)}.`);
  const explain = new WalletProblem("wrong_chain", `${name} is on ${chainName(current)}, which is not accepted here. Switch it to ${accepted.map(chainName).join(" or ")} and try again.`);
  try {
    await request(task, "wallet_switchEthereumChain", [{ chainId: `0x${wanted.toString(16)}` }]);
  } catch (error) {
    task.signal.throwIfAborted();
    console.info(`${name} did not switch the chain:`, error);
    throw explain;
  }
  const now = await currentChain(task);
  if (!accepted.includes(now)) throw explain;
  return now;
}

async function currentChain(task) {
  const id = Number(await ask(task, "name its chain", "eth_chainId"));
  if (Number.isSafeInteger(id) && id > 0) return id;
  throw new WalletProblem("no_chain", `${task.wallet.name} does not say on which chain it is. Open it, choose one, then try again.`);
}

/** The signature, unless the wallet's owner moves to another account or chain meanwhile. */
async function sign(task, { message, address, accounts, chainId }) {
  const { provider, name } = task.wallet;
  const { listeners, change } = watch(accounts[0], chainId, name);
  for (const [event, listener] of Object.entries(listeners)) provider.on?.(event, listener);
  try {
    const signature = await Promise.race([ask(task, "sign", "personal_sign", [hexOf(message), address]), change]);
    if (typeof signature === "string") return signature;
    throw new WalletProblem("no_signature", `${name} gave no signature. Try again, or use another wallet.`);
  } finally {
    for (const [event, listener] of Object.entries(listeners)) provider.removeListener?.(event, listener);
  }
}

/** `change` never resolves; it rejects when the wallet tells of another account or chain. */
function watch(selected, chainId, name) {
  let stop;
  const change = new Promise((_, reject) => {
    stop = (what) => reject(new WalletProblem("changed", `You switched to another ${what} in ${name} while it was signing. Try again.`));
  });
  const isOther = (now) => String(now?.[0]).toLowerCase() !== String(selected).toLowerCase();
  const listeners = {
    accountsChanged: (now) => isOther(now) && stop("account"),
    chainChanged: (now) => Number(now) !== chainId && stop("chain"),
  };
  return { change, listeners };
}

async function ask(task, doing, method, params) {
  try {
    return await request(task, method, params);
  } catch (error) {
    task.signal.throwIfAborted();
    throw providerProblem(error, task.wallet.name, doing);
  }
}

/** A wallet may never answer: the request ends by itself, or when the person gives up. */
function request({ wallet, signal }, method, params) {
  let timer;
  const answer = new Promise((resolve, reject) => {
    const slow = new WalletProblem("slow", `${wallet.name} has not answered for two minutes. Open it and see whether it waits for you, then try again.`);
    timer = setTimeout(reject, PATIENCE_MS, slow);
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    wallet.provider.request(params ? { method, params } : { method }).then(resolve, reject);
  });
  return answer.finally(() => clearTimeout(timer));
}
