// Shopify's strict sandbox for app pixels: a worker of their own with no page, no storage, no way out but fetch.
// The page says what happens; the pixel hears what it has subscribed to.

const tell = self.postMessage.bind(self);
const GONE = [
  "BroadcastChannel", "EventSource", "WebSocket", "Worker", "XMLHttpRequest", "caches", "cookieStore", "importScripts",
  "indexedDB", "postMessage",
];
for (const name of GONE) Object.defineProperty(self, name, { value: undefined });

const heard = new Map(); // event name -> callbacks
const answered = [];
let started = () => {};
let calls = 0;
const waiting = new Map();

self.shopify = {
  extend(point, callback) {
    if (point === "WebPixel::Render") started = callback;
  },
};

function ask(what, ...args) {
  calls += 1;
  const call = calls;
  tell({ type: "ask", call, what, args });
  return new Promise((resolve) => waiting.set(call, resolve));
}

function storage(kind) {
  const methods = ["getItem", "setItem", "removeItem", "key", "clear"];
  return Object.fromEntries(methods.map((name) => [name, (...args) => ask(`${kind}.${name}`, ...args)]));
}

function deliver(event) {
  const names = [event.name, "all_events", event.type === "standard" ? "all_standard_events" : "all_custom_events"];
  for (const name of names) for (const callback of heard.get(name) ?? []) callback(structuredClone(event));
}

async function start({ source, settings, init }) {
  await import(source);
  started({
    settings,
    init,
    analytics: {
      async subscribe(name, callback) {
        heard.set(name, [...(heard.get(name) ?? []), callback]);
        return true;
      },
    },
    customerPrivacy: {
      async subscribe(name, callback) {
        if (name === "visitorConsentCollected") answered.push(callback);
        return true;
      },
    },
    browser: {
      cookie: { get: (name) => ask("cookie.get", name), set: (...args) => ask("cookie.set", ...args) },
      localStorage: storage("localStorage"),
      sessionStorage: storage("sessionStorage"),
      sendBeacon: (url, body) =>
        fetch(url, { method: "POST", body, keepalive: true, headers: { "content-type": "text/plain" } }).then(() => true),
    },
  });
}

let ready = Promise.resolve();
self.addEventListener("message", ({ data }) => {
  if (data.type === "answer") {
    waiting.get(data.call)?.(data.value);
    waiting.delete(data.call);
    return;
  }
  ready = ready.then(() => {
    if (data.type === "start") return start(data).then(() => tell({ type: "listening" }));
    if (data.type === "event") return deliver(data.event);
    if (data.type === "consent") return answered.forEach((callback) => callback({ customerPrivacy: data.consent }));
    return undefined;
  });
});
