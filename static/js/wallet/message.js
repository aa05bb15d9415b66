/** The text that a wallet signs (EIP-4361), and addresses as EIP-55 spells them. */

import { keccak_256 } from "../../vendor/noble-hashes/sha3.js";

const ADDRESS = /^0x[0-9a-f]{40}$/i;

/** One spelling per address: upper and lower case carry a hash of the digits. `null` if it is none. */
export function checksummed(address) {
  if (typeof address !== "string" || !ADDRESS.test(address)) return null;
  const digits = address.slice(2).toLowerCase();
  const hash = keccak_256(new TextEncoder().encode(digits));
  const nibble = (index) => (index % 2 ? hash[index >> 1] & 15 : hash[index >> 1] >> 4);
  return `0x${[...digits].map((digit, index) => (nibble(index) >= 8 ? digit.toUpperCase() : digit)).join("")}`;
}

/** What the server issued, written out. Every line comes from it but the address and the chain. */
export function writeMessage(issued, address, chainId) {
  return [
    `${issued.domain} wants you to sign in with your Ethereum account:`,
    address,
    "",
    issued.statement,
    "",
    `URI: ${issued.uri}`,
    `Version: ${issued.version}`,
    `Chain ID: ${chainId}`,
    `Nonce: ${issued.nonce}`,
    `Issued At: ${issued.issuedAt}`,
    `Expiration Time: ${issued.expirationTime}`,
  ].join("\n");
}

/** `personal_sign` takes the bytes in hex; some wallets guess wrongly about plain text. */
export function hexOf(text) {
  return `0x${Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
