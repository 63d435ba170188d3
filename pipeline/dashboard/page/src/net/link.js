// The tab's end of the shared connection. Where the browser has no SharedWorker, a visible tab holds a connection of its
// own and a hidden one none.

import { Hub } from "./hub.js";

const ALIVE_MS = 30_000;

/** Connects to the hub; `receive` gets its messages. Returns `{follow(watch, ops), hurry()}`. */
export function openLink(base, workerUrl, receive) {
  const shared = workerUrl && "SharedWorker" in self ? sharedLink(workerUrl, receive) : ownLink(base, receive);
  let last = null;
  const follow = (watch, ops) => {
    last = [watch, ops];
    shared.follow(watch, ops);
  };
  addEventListener("pagehide", () => shared.leave());
  addEventListener("pageshow", (event) => {
    if (event.persisted && last) shared.follow(...last);
  });
  addEventListener("online", () => shared.hurry());
  return { follow, hurry: shared.hurry };
}

function sharedLink(workerUrl, receive) {
  const { port } = new SharedWorker(workerUrl, { name: "breadth" });
  port.addEventListener("message", (event) => receive(event.data));
  port.start();
  let wanted = null;
  const say = () => wanted && port.postMessage({ say: "follow", ...wanted });
  setInterval(say, ALIVE_MS);
  return {
    follow: (watch, ops) => {
      wanted = { watch, ops };
      say();
    },
    hurry: () => port.postMessage({ say: "hurry" }),
    leave: () => port.postMessage({ say: "bye" }),
  };
}

function ownLink(base, receive) {
  const hub = new Hub(base);
  let wanted = null;
  // The hub keeps what it sent and changes it in place; the page does the same with its own copy.
  const send = (message) => receive(structuredClone(message));
  const join = () => wanted && hub.follow("own", send, ...wanted);
  document.addEventListener("visibilitychange", () => (document.hidden ? hub.leave("own") : join()));
  return {
    follow: (watch, ops) => {
      wanted = [watch, ops];
      if (!document.hidden) join();
    },
    hurry: () => hub.hurry(),
    leave: () => hub.leave("own"),
  };
}
