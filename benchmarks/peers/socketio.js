// Socket.IO 4 with its Redis adapter, set up as its documentation says: one room per key.
"use strict";

const http = require("node:http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");

async function main(port, url) {
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);

  const server = http.createServer();
  const io = new Server(server, {
    adapter: createAdapter(publisher, subscriber),
    transports: ["websocket"],
    perMessageDeflate: false,
    serveClient: false,
  });
  io.on("connection", (socket) => {
    socket.on("subscribe", (keys) => {
      socket.join(keys);
      socket.emit("subscribed", keys.length);
    });
  });
  server.listen({ port, host: "127.0.0.1", backlog: 4096 }, () => console.log("ready"));
  process.on("SIGTERM", () => process.exit(0));
}

main(Number(process.argv[2]), process.argv[3]);
