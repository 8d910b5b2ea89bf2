// A visitor's browser in the store: it remembers cart, login and privacy choice, publishes what happens, and runs the
// app's pixel as Shopify does: in a worker, only where the app has made one, and only with the consent it asks for.

const store = JSON.parse(document.getElementById("store").textContent);
const KEY = `store:${store.shop.myshopifyDomain}`;
const UNASKED = {
  analyticsProcessingAllowed: false, marketingAllowed: false, preferencesProcessingAllowed: false, saleOfDataAllowed: true,
};
const ANSWERS = {
  analytics: "analyticsProcessingAllowed", marketing: "marketingAllowed", preferences: "preferencesProcessingAllowed",
  saleOfData: "saleOfDataAllowed",
};
const known = { consent: null, visitor: null, cart: null, customer: null, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
const visitor = known.visitor ?? crypto.randomUUID();
const path = location.pathname.slice(store.root.length) || "/";
const here = new URL(path + location.search, store.origin);
const journal = []; // of this page, for a pixel that is loaded late
const workers = new Map();
let seq = 0;

const consent = () => known.consent ?? UNASKED;

// Only who agreed to something is known again.
function keep(changes = {}) {
  Object.assign(known, changes);
  known.visitor = consent().analyticsProcessingAllowed || consent().marketingAllowed ? visitor : null;
  localStorage.setItem(KEY, JSON.stringify(known));
}

const context = () => ({
  document: {
    characterSet: document.characterSet,
    title: document.title,
    referrer: document.referrer && new URL(document.referrer).pathname.replace(store.root, store.origin),
    location: {
      href: here.href, origin: here.origin, protocol: here.protocol, host: here.host, hostname: here.hostname,
      port: here.port, pathname: here.pathname, search: here.search, hash: location.hash,
    },
  },
  navigator: {
    language: navigator.language, languages: navigator.languages, userAgent: navigator.userAgent,
    cookieEnabled: navigator.cookieEnabled,
  },
  window: { innerWidth, innerHeight, screenX, screenY, scrollX, scrollY },
});

// As the page was when it was drawn: who agrees later is told apart by the pixel.
const init = {
  context: context(),
  customerPrivacy: consent(),
  data: { customer: known.customer, cart: null, shop: store.shop, purchasingCompany: null },
};

function allowed(needs) {
  return Object.entries(needs).every(([purpose, needed]) => !needed || consent()[ANSWERS[purpose]] === true);
}

function runPixels() {
  for (const pixel of store.pixels) {
    if (workers.has(pixel.name) || !allowed(pixel.needs)) continue;
    const worker = new Worker(`${store.root}/web-pixel/pixel-worker.js`, { type: "module", name: pixel.name });
    workers.set(pixel.name, worker);
    worker.addEventListener("message", ({ data }) => {
      if (data.type === "listening") showPixel("is listening");
      if (data.type !== "ask") return;
      const [kind, method] = data.what.split(".");
      const area = { localStorage, sessionStorage }[kind];
      const value = area ? area[method](...data.args) : "";
      worker.postMessage({ type: "answer", call: data.call, value });
    });
    worker.postMessage({ type: "start", source: new URL(pixel.source, location.href).href, settings: pixel.settings, init });
    for (const message of journal) worker.postMessage(message);
  }
}

function showPixel(words) {
  document.querySelector("[data-pixel]").textContent = words;
}

function pass(message) {
  journal.push(message);
  for (const worker of workers.values()) worker.postMessage(message);
}

export function publish(name, data) {
  seq += 1;
  const timestamp = new Date().toISOString();
  const event = {
    id: `sh-${crypto.randomUUID()}`, name, clientId: visitor, seq, timestamp, type: "standard", context: context(), data,
  };
  pass({ type: "event", event });
  note({ id: event.id, name, timestamp, visitor, pixels: workers.size });
}

// What a developer sees at the foot of the page.
function note(line) {
  const lines = JSON.parse(sessionStorage.getItem("published") ?? "[]");
  if (line) sessionStorage.setItem("published", JSON.stringify([...lines, line]));
  const rows = (line ? [...lines, line] : lines).slice(-20).reverse();
  document.getElementById("published").replaceChildren(
    ...rows.map(({ name, timestamp, pixels }) => {
      const row = document.createElement("li");
      row.textContent = `${timestamp.slice(11, 19)} ${name} – ${pixels ? "heard by the pixel" : "heard by nobody"}`;
      return row;
    }),
  );
}

function decide(choice) {
  const decided = Object.fromEntries(Object.entries(ANSWERS).map(([name, answer]) => [answer, choice[name] === true]));
  keep({ consent: decided });
  pass({ type: "consent", consent: decided });
  runPixels();
  showPrivacy();
}

const every = (value) => Object.fromEntries(Object.keys(ANSWERS).map((name) => [name, value]));

function showPrivacy(again = false) {
  const banner = document.getElementById("privacy");
  banner.hidden = known.consent !== null && !again;
  for (const [name, answer] of Object.entries(ANSWERS)) {
    banner.querySelector(`[name=${name}]`).checked = consent()[answer];
    const told = document.querySelector(`[data-consent=${name}]`);
    told.textContent = consent()[answer] ? "yes" : "no";
  }
}

function showVisitor() {
  document.querySelector("[data-customer]").textContent = known.customer ? `${known.customer.email}` : "not logged in";
  document.querySelector("[data-login-link]").hidden = known.customer !== null;
  document.querySelector("[data-log-out]").hidden = known.customer === null;
  for (const link of document.querySelectorAll("[data-cart-link]")) {
    link.href = `${store.root}/cart${known.cart ? `?token=${known.cart}` : ""}`;
  }
  for (const field of document.querySelectorAll("input[name=cart]")) field.value = known.cart ?? "";
  for (const field of document.querySelectorAll("input[name=customer]")) field.value = known.customer?.id ?? "";
}

async function send(form) {
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  return answer.json();
}

function say(words) {
  document.getElementById("said").textContent = words;
}

const FORMS = {
  async add(form) {
    const { cart, cartLine, error } = await send(form);
    if (error) return say(error);
    keep({ cart: cart.token });
    showVisitor();
    publish("product_added_to_cart", { cartLine });
    return say(`${cartLine.merchandise.product.title} is in your cart (${cart.totalQuantity} in all)`);
  },
  async login(form) {
    const { customer, error } = await send(form);
    if (error) return say(error);
    keep({ customer });
    location.href = `${store.root}/`;
    return undefined;
  },
  async pay(form) {
    const { data } = store.happened.find((each) => each.data.checkout);
    publish("payment_info_submitted", data);
    await send(form);
    keep({ cart: null });
    location.href = "thank-you";
  },
};

document.addEventListener("submit", (event) => {
  const own = FORMS[event.target.dataset.form];
  if (!own) return;
  event.preventDefault();
  own(event.target);
});
document.addEventListener("click", ({ target }) => {
  const does = target.dataset?.does;
  if (does === "agree") decide(every(true));
  if (does === "refuse") decide(every(false));
  if (does === "choose") {
    const form = document.getElementById("privacy");
    decide(Object.fromEntries(Object.keys(ANSWERS).map((name) => [name, form.querySelector(`[name=${name}]`).checked])));
  }
  if (does === "privacy") showPrivacy(true);
  if (does === "log-out") {
    keep({ customer: null });
    location.href = `${store.root}/`;
  }
});

showPixel(store.pixels.length ? "waits for your consent" : "is not in this store");
runPixels();
showPrivacy();
showVisitor();
note();
for (const { name, data } of store.happened) {
  // A checkout is completed once, however often its last page is looked at.
  const once = name === "checkout_completed" ? `completed:${data.checkout.token}` : null;
  if (once && sessionStorage.getItem(once)) continue;
  if (once) sessionStorage.setItem(once, "yes");
  publish(name, data);
}
document.body.dataset.ready = "yes";
