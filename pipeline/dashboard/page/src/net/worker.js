// The SharedWorker: one Hub for all tabs of this browser, a port for each tab.

import { Hub } from "./hub.js";

const hub = new Hub(new URL("..", self.location.href));

self.addEventListener("connect", (event) => {
  const port = event.ports[0];
  const send = (message) => port.postMessage(message);
  port.addEventListener("message", ({ data }) => {
    if (data.say === "follow") hub.follow(port, send, data.watch, data.ops);
    else if (data.say === "hurry") hub.hurry();
    else if (data.say === "bye") hub.leave(port);
  });
  port.start();
});
