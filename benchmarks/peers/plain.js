// The leanest Node server there is: `ws`, a set of sockets per key, each value encoded once.
// With a third argument it conflates as Quayside does: one frame per client and window (ms).
"use strict";

const http = require("node:http");
const { WebSocketServer, WebSocket } = require("ws");
const { createClient } = require("redis");

const CHANNEL = "rates:live:public";
const PRIORITY = "!".charCodeAt(0);
// A socket that has this much unsent keeps nothing more: it owes the keys instead.
const HIGH_WATER = 16 * 1024;

const readers = new Map(); // key -> Set of sockets
const latest = new Map(); // key -> { data, meta } as text

/** Split `flag epoch seq key \n data \n meta` without parsing the JSON. */
function decode(raw) {
  const first = raw.indexOf(10);
  const second = raw.indexOf(10, first + 1);
  const header = raw.toString("latin1", 0, first).split(" ");
  return {
    priority: raw[0] === PRIORITY,
    key: header[3],
    data: raw.toString("utf8", first + 1, second),
    meta: raw.toString("utf8", second + 1),
  };
}

function encode(keys) {
  const data = keys.map((key) => `"${key}":${latest.get(key).data}`).join(",");
  const meta = keys.map((key) => `"${key}":${latest.get(key).meta}`).join(",");
  return Buffer.from(`{"event":"rates:live","data":{${data}},"meta":{${meta}}}`);
}

function send(socket, frame) {
  if (socket.readyState === WebSocket.OPEN) socket.send(frame, { binary: false });
}

function sendNow(key) {
  const frame = encode([key]);
  for (const socket of readers.get(key) ?? []) send(socket, frame);
}

function owe(key) {
  for (const socket of readers.get(key) ?? []) socket.owes.add(key);
}

function payDebts(server) {
  const frames = new Map();
  for (const socket of server.clients) {
    if (!socket.owes?.size || socket.bufferedAmount > HIGH_WATER) continue;
    const keys = [...socket.owes].sort();
    socket.owes.clear();
    const name = keys.join();
    if (!frames.has(name)) frames.set(name, encode(keys));
    send(socket, frames.get(name));
  }
}

function subscribe(socket, keys) {
  for (const key of keys) {
    if (!readers.has(key)) readers.set(key, new Set());
    readers.get(key).add(socket);
  }
  const known = keys.filter((key) => latest.has(key));
  send(socket, encode(known));
}

async function main(port, url, window) {
  const subscriber = createClient({ url });
  await subscriber.connect();
  const web = http.createServer();
  const server = new WebSocketServer({ server: web, perMessageDeflate: false, maxPayload: 4096 });
  server.on("connection", (socket) => {
    socket.owes = new Set();
    socket.on("message", (text) => subscribe(socket, JSON.parse(text).keys));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => readers.forEach((sockets) => sockets.delete(socket)));
  });
  await subscriber.subscribe(
    CHANNEL,
    (raw) => {
      const message = decode(raw);
      if (message.key === "*") return;
      latest.set(message.key, message);
      if (window && !message.priority) owe(message.key);
      else sendNow(message.key);
    },
    true,
  );
  if (window) setInterval(() => payDebts(server), window);
  web.listen({ port, host: "127.0.0.1", backlog: 4096 }, () => console.log("ready"));
  process.on("SIGTERM", () => process.exit(0));
}

main(Number(process.argv[2]), process.argv[3], Number(process.argv[4] ?? 0));
