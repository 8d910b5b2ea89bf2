import assert from "node:assert/strict";
import { register } from "node:module";
import { beforeEach, test } from "node:test";

import { address, start } from "../src/pixel.js";
import { ALL, CUSTOMER, HAPPENINGS, NEVER, NONE, SETTINGS, happening, storefront } from "./shop.js";

const EIGHT = [
  "page_viewed", "product_viewed", "search_submitted", "product_added_to_cart", "payment_info_submitted",
  "checkout_started", "checkout_completed", "collection_viewed",
];
let sent = [];

beforeEach(() => {
  sent = [];
  globalThis.fetch = async (url, request) => {
    sent.push({ url, request, beacon: JSON.parse(request.body) });
    return { ok: true };
  };
});

function opened(surroundings) {
  const store = storefront(surroundings);
  start(store.api);
  return store;
}

function told(name, surroundings) {
  opened(surroundings).happens(happening(name));
  return sent.at(-1).beacon;
}

test("S44 to S51: exactly the eight events are listened to, and nothing that is typed or clicked", () => {
  assert.deepEqual([...opened().heard.keys()].sort(), [...EIGHT].sort());
});

test("S44 to S51: each event is sent under its name, with its id, visitor and time", () => {
  const store = opened({ customer: CUSTOMER });
  for (const name of EIGHT) {
    const event = happening(name);
    store.happens(event);
    const { beacon } = sent.at(-1);
    assert.equal(beacon.name, name);
    assert.equal(beacon.id, event.id);
    assert.equal(beacon.clientId, event.clientId);
    assert.equal(beacon.timestamp, event.timestamp);
    assert.equal(beacon.accountID, SETTINGS.accountID);
    assert.equal(beacon.customerId, CUSTOMER.id);
    assert.deepEqual(beacon.consent, { analytics: true, marketing: true, preferences: true, saleOfData: true });
  }
  assert.equal(sent.length, 8);
});

test("a beacon is a simple request that outlives the page and carries no cookie", () => {
  told("page_viewed");
  const [{ url, request }] = sent;
  assert.equal(url, SETTINGS.endpoint);
  assert.equal(request.method, "POST");
  assert.equal(request.keepalive, true);
  assert.equal(request.credentials, "omit");
  assert.deepEqual(request.headers, { "content-type": "text/plain" });
});

test("S44, S112: a page is its address and title", () => {
  assert.deepEqual(told("page_viewed").page, {
    url: "https://pinewood.example.com/?utm_source=mailchimp&utm_campaign=november",
    title: "Pinewood Lamps",
  });
});

test("S45: a product is its ids, titles, address and price", () => {
  assert.deepEqual(told("product_viewed").data, {
    product: {
      id: "8123456789",
      title: "Blue mug",
      url: "https://pinewood.example.com/products/blue-mug?variant=44100000000301",
      variantId: "44100000000301",
      variantTitle: "Blue",
      price: 18.5,
      currency: "USD",
    },
  });
});

test("S46, S51: a search is its words, a collection its id and title", () => {
  assert.deepEqual(told("search_submitted").data, { query: "blue mug" });
  assert.deepEqual(told("collection_viewed").data, { collection: { id: "5500000001", title: "Mugs" } });
});

test("S47: what was added to the cart, how many, for how much", () => {
  const { product, quantity, total } = told("product_added_to_cart").data;
  assert.equal(product.id, "8123456789");
  assert.equal(quantity, 2);
  assert.equal(total, 37);
});

test("S48 to S50: a checkout is its token, e-mail, sum and goods; the order once there is one", () => {
  const checkout = {
    token: "c1f2a3b4c5d6e7f8",
    email: "ana.reyes@example.com",
    total: 42,
    currency: "USD",
    itemCount: 2,
    items: [{ id: "8123456789", title: "Blue mug", quantity: 2 }],
  };
  assert.deepEqual(told("checkout_started").data, { checkout });
  assert.deepEqual(told("payment_info_submitted").data, { checkout });
  assert.deepEqual(told("checkout_completed").data, { checkout: { ...checkout, orderId: "6100000000001" } });
});

test("nothing that was typed, no phone, no postal address, no token of an address leaves the store", () => {
  for (const name of EIGHT) {
    const text = JSON.stringify(told(name, { customer: CUSTOMER }));
    for (const secret of NEVER) assert.ok(!text.includes(secret), `${secret} in ${name}`);
    if (!name.startsWith("checkout_") && name !== "payment_info_submitted") assert.ok(!text.includes("@"), name);
  }
});

test("the title of a page about somebody stays there", () => {
  assert.deepEqual(told("checkout_completed").page, { url: "https://pinewood.example.com/checkouts" });
});

test("S52: a visitor who refused, or opted out of the sale of data, or was not asked, sends nothing", () => {
  const refusals = [
    NONE, undefined, null, {}, { ...ALL, marketingAllowed: false }, { ...ALL, saleOfDataAllowed: false },
    { ...ALL, marketingAllowed: "true" },
  ];
  for (const consent of refusals) {
    const store = storefront({ consent });
    store.api.init.customerPrivacy = consent;
    start(store.api);
    for (const name of EIGHT) store.happens(happening(name));
  }
  assert.equal(sent.length, 0);
});

test("S52: marketing alone is enough, and the four answers travel along", () => {
  const beacon = told("page_viewed", { consent: { ...NONE, marketingAllowed: true, saleOfDataAllowed: true } });
  assert.deepEqual(beacon.consent, { analytics: false, marketing: true, preferences: false, saleOfData: true });
});

test("S52: who agrees halfway sends what comes after, and nothing from before even if it is replayed", () => {
  const store = opened({ consent: NONE });
  const before = happening("product_viewed", { timestamp: new Date(Date.now() - 5_000).toISOString() });
  store.happens(before);
  store.decides(ALL);
  assert.equal(sent.length, 0, "nothing was kept for later");
  store.happens(before);
  assert.equal(sent.length, 0, "a replay is still from before");
  const after = happening("product_added_to_cart", { timestamp: new Date(Date.now() + 50).toISOString() });
  store.happens(after);
  assert.deepEqual(sent.map(({ beacon }) => beacon.id), [after.id]);
});

test("S52: who takes it back sends nothing from then on; agreeing again counts from then", () => {
  const store = opened();
  store.happens(happening("page_viewed"));
  store.decides(NONE);
  const between = happening("product_viewed", { timestamp: new Date(Date.now() - 10).toISOString() });
  store.happens(between);
  assert.equal(sent.length, 1);
  store.decides(ALL);
  store.happens(between);
  assert.equal(sent.length, 1);
  store.happens(happening("page_viewed", { timestamp: new Date(Date.now() + 50).toISOString() }));
  assert.equal(sent.length, 2);
});

test("without settings, or with half of them, the pixel listens to nothing", () => {
  for (const settings of [undefined, {}, { accountID: "acc_5f3a9c1e" }, { endpoint: SETTINGS.endpoint }]) {
    const store = storefront();
    store.api.settings = settings;
    start(store.api);
    assert.equal(store.heard.size, 0);
  }
});

test("a network that fails disturbs nobody", async () => {
  const store = opened();
  globalThis.fetch = () => Promise.reject(new TypeError("Failed to fetch"));
  store.happens(happening("page_viewed"));
  globalThis.fetch = () => {
    throw new TypeError("fetch is not here");
  };
  store.happens(happening("page_viewed"));
  await new Promise((resolve) => setTimeout(resolve, 5)); // an unhandled rejection would end the run
});

test("events that lack what they usually have are sent with what there is", () => {
  const store = opened();
  for (const name of EIGHT) {
    for (const data of [undefined, null, {}, { cartLine: null, checkout: null, collection: null }]) {
      store.happens(happening(name, { data, context: {} }));
    }
  }
  assert.equal(sent.length, 8 * 4);
  assert.ok(sent.every(({ beacon }) => beacon.id && !("page" in beacon)));
});

test("S51: what has no number of its own is told without one", () => {
  const store = opened();
  for (const none of ["", "0", "all", null, undefined, {}, "gid://shopify/Collection/", "9".repeat(20)]) {
    store.happens(happening("collection_viewed", { data: { collection: { id: none, title: "Products" } } }));
    assert.deepEqual(sent.at(-1).beacon.data, { collection: { title: "Products" } });
  }
  for (const one of ["5500000001", 5500000001, "gid://shopify/Collection/5500000001"]) {
    store.happens(happening("collection_viewed", { data: { collection: { id: one } } }));
    assert.deepEqual(sent.at(-1).beacon.data, { collection: { id: String(one) } });
  }
});

test("a beacon stays small, whatever the store puts into an event", () => {
  const long = "ö".repeat(5_000);
  const [{ checkout }] = HAPPENINGS.checkout_started;
  const line = { ...checkout.lineItems[0], title: long };
  opened().happens(happening("checkout_started", { data: { checkout: { ...checkout, lineItems: Array(500).fill(line) } } }));
  assert.equal(sent[0].beacon.data.checkout.items.length, 10);
  assert.equal(sent[0].beacon.data.checkout.itemCount, 1_000);
  assert.ok(new TextEncoder().encode(sent[0].request.body).length < 8_192);
});

test("an address ends where somebody's token would begin", () => {
  const shop = "https://pinewood.example.com";
  const expected = {
    "/products/mug?variant=1&key=x#top": "/products/mug?variant=1",
    "/account/reset/7/secret": "/account",
    "/en-ca/account/orders/secret": "/en-ca/account",
    "/61234567/orders/secret/authenticate?key=x": "/61234567/orders",
    "/61234567/fr/checkouts/secret": "/61234567/fr/checkouts",
    "/CART/c/secret?utm_source=x": "/CART",
    "/apps/wishlist/secret": "/apps/wishlist",
    "/collections/orders/products/mug": "/collections/orders/products/mug",
    "/pages/about?utm_medium=sms&q=x": "/pages/about?utm_medium=sms",
  };
  for (const [path, clean] of Object.entries(expected)) assert.equal(address(shop + path).url, shop + clean);
  assert.equal(address("https://ana:secret@pinewood.example.com/x").url, `${shop}/x`);
  for (const none of [undefined, null, "", "javascript:alert(1)", "data:text/plain,x", "not an address"]) {
    assert.equal(address(none), undefined);
  }
});

test("index.js registers the pixel at Shopify's extension point", async () => {
  // The package itself where it is installed, else its one line.
  const standIn = "export const register = (extend) => shopify.extend('WebPixel::Render', extend);";
  const hook = `export async function resolve(name, context, next) {
    if (name !== "@shopify/web-pixels-extension") return next(name, context);
    try { return await next(name, context); } catch {
      return { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(standIn)}`)}, shortCircuit: true };
    }
  }`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
  const registered = [];
  globalThis.shopify = { extend: (point, callback) => registered.push([point, callback]) };
  await import("../src/index.js");
  assert.deepEqual(registered, [["WebPixel::Render", start]]);
});
