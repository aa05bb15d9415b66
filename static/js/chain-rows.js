/**
 * Tables of the newest blocks and transactions that go on by themselves.
 *
 * A row that came makes all others anew in their places: nothing on the page ever moves.
 */

import { plain, writeAmount } from "./numbers.js";
import { milliseconds, setMoment } from "./time.js";

/** The fields of a row made from a `<template>`, by name. */
function fromTemplate(name) {
  const row = document.querySelector(`template[${name}]`).content.firstElementChild.cloneNode(true);
  const fields = {};
  for (const field of row.querySelectorAll("[data-f]")) fields[field.dataset.f] = field;
  return { row, fields };
}

export function blockRow(block) {
  const { row, fields } = fromTemplate("data-block-row");
  row.dataset.block = block.number;
  row.dataset.hash = block.hash;
  fields.number.textContent = plain(String(block.number), 0);
  if (fields.number.href) fields.number.href += block.number;
  setMoment(fields.age, milliseconds(block.ts));
  fields.txs.textContent = block.tx_count;
  fields.transfers.textContent = block.transfer_count;
  const full = block.gas_limit ? Math.min(100, Math.floor((block.gas_used * 100) / block.gas_limit)) : 0;
  fields.gas.setAttribute("width", full);
  fields["gas-text"].textContent = full;
  return row;
}

/** A transaction of block `number`; `coin` is the chain's own, {symbol, decimals}. */
export function entryRow(tx, number, coin) {
  const { row, fields } = fromTemplate("data-entry-row");
  row.dataset.tx = tx.hash;
  row.dataset.number = number;
  fields.hash.textContent = short(tx.hash);
  fields.hash.title = tx.hash;
  if (fields.hash.href) fields.hash.href += tx.hash;
  fields.failed.hidden = tx.ok !== false;
  fields.from.replaceChildren(addressLink(tx.from));
  fields.to.replaceChildren(addressLink(tx.to));
  writeAmount(fields.value, tx.value, coin.decimals);
  fields.symbol.textContent = coin.symbol;
  fields.block.textContent = plain(String(number), 0);
  return row;
}

/** `0x5aAe…eAed`. */
function short(text) {
  return text.length <= 14 ? text : `${text.slice(0, 6)}\u2026${text.slice(-4)}`;
}

function addressLink(address) {
  if (!address) {
    const made = document.createElement("span");
    made.className = "muted";
    made.textContent = "new contract";
    return made;
  }
  const link = document.createElement("a");
  link.className = "addr";
  link.href = `/balances/${address}/`;
  link.title = address;
  link.textContent = short(address);
  return link;
}

/** Put `rows` (newest first) on top of the table, and forget what is below its length. */
export function prepend(body, rows) {
  for (const row of rows) row.classList.add("is-new");
  const old = [...body.rows].filter((row) => !("none" in row.dataset)).map(copyOf);
  body.replaceChildren(...[...rows, ...old].slice(0, Number(body.dataset.rows)));
}

function copyOf(row) {
  const copy = row.cloneNode(true);
  copy.classList.remove("is-new");
  return copy;
}

/** Take away blocks, and what was in them, from number `first` on: they are not in the chain any more. */
export function dropFrom(first, ...bodies) {
  for (const body of bodies) {
    const kept = [...body.rows].filter((row) => !(Number(row.dataset.block ?? row.dataset.number) >= first));
    body.replaceChildren(...kept.map(copyOf));
  }
}
