// Tells shopchimp what a visitor does in the store: eight events, and of each only what is named here.
// Nothing leaves, and nothing is kept for later, without the visitor's consent to marketing or after they opted out
// of the sale of data. src/shopchimp/domain/customer_events/beacon.py reads what is sent.

const VERSION = 1;
const TITLE = 150;
const ADDRESS = 500;
const QUERY = 100;
const ITEMS = 10;

// Pages whose address goes on with somebody's token or number: it is cut after this part.
const PRIVATE = new Set([
  "account", "authentication", "cart", "checkout", "checkouts", "customer_authentication", "customer_identity",
  "gift_cards", "invoices", "orders", "password", "wallets",
]);
const APPS = new Set(["a", "apps", "community", "tools"]); // other apps' pages: only the app's name stays
const ID = /^(?:gid:\/\/shopify\/[A-Za-z]{1,40}\/)?(?=\d{1,19}$)0*[1-9]/;
const PREFIX = /^(?:[a-z]{2}(?:-[a-z]{2,4})?|\d+)$/i; // a language, or the number of the shop
const KEPT = ["utm_source", "utm_medium", "utm_campaign", "mc_cid", "variant"];

const EVENTS = {
  page_viewed: () => ({}),
  product_viewed: (data, base) => ({ product: product(data.productVariant, base) }),
  collection_viewed: ({ collection }) => ({ collection: { id: id(collection?.id), title: cut(collection?.title, TITLE) } }),
  search_submitted: ({ searchResult }) => ({ query: cut(searchResult?.query, QUERY) }),
  product_added_to_cart: ({ cartLine }, base) => ({
    product: product(cartLine?.merchandise, base),
    quantity: number(cartLine?.quantity),
    total: number(cartLine?.cost?.totalAmount?.amount),
  }),
  checkout_started: checkout,
  payment_info_submitted: checkout,
  checkout_completed: checkout,
};

export function start({ analytics, init, settings, customerPrivacy }) {
  const { accountID, endpoint } = settings ?? {};
  if (!accountID || !endpoint) return;

  let consent = init?.customerPrivacy;
  // When the visitor agreed while we looked on: what they did before is not sent, even if Shopify replays it.
  let agreedAt = allows(consent) ? -Infinity : null;
  customerPrivacy?.subscribe("visitorConsentCollected", (event) => {
    consent = event?.customerPrivacy;
    agreedAt = allows(consent) ? agreedAt ?? Date.now() : null;
  });

  const customerId = id(init?.data?.customer?.id);
  for (const [name, describe] of Object.entries(EVENTS)) {
    analytics.subscribe(name, (event) => {
      if (agreedAt === null || Date.parse(event.timestamp) < agreedAt) return;
      try {
        const { location, title } = event.context?.document ?? {};
        const page = address(location?.href);
        post(endpoint, compact({
          version: VERSION,
          accountID,
          id: event.id,
          name,
          timestamp: event.timestamp,
          clientId: event.clientId,
          customerId,
          consent: {
            analytics: consent.analyticsProcessingAllowed === true,
            marketing: true,
            preferences: consent.preferencesProcessingAllowed === true,
            saleOfData: true,
          },
          page: { url: page?.url, title: page && !page.private ? cut(title, TITLE) : undefined },
          data: describe(event.data ?? {}, location?.href),
        }));
      } catch {
        // A page of the store must never notice us.
      }
    });
  }
}

function allows(consent) {
  return consent?.marketingAllowed === true && consent.saleOfDataAllowed === true;
}

function post(endpoint, beacon) {
  fetch(endpoint, {
    method: "POST",
    body: JSON.stringify(beacon),
    headers: { "content-type": "text/plain" }, // needs no preflight
    keepalive: true,
    credentials: "omit",
  }).catch(() => {});
}

function product(variant, base) {
  const { product: of, price } = variant ?? {};
  return {
    id: id(of?.id),
    title: cut(of?.title, TITLE),
    url: address(of?.url, base)?.url,
    variantId: id(variant?.id),
    variantTitle: cut(variant?.title, TITLE),
    price: number(price?.amount),
    currency: price?.currencyCode,
  };
}

function checkout({ checkout: of }) {
  const lines = of?.lineItems ?? [];
  return {
    checkout: {
      token: of?.token,
      email: of?.email,
      total: number(of?.totalPrice?.amount),
      currency: of?.currencyCode ?? of?.totalPrice?.currencyCode,
      itemCount: lines.reduce((sum, line) => sum + (number(line.quantity) ?? 0), 0),
      items: lines.slice(0, ITEMS).map((line) => ({
        id: id(line.variant?.product?.id),
        title: cut(line.title, TITLE),
        quantity: number(line.quantity),
      })),
      orderId: id(of?.order?.id),
    },
  };
}

// An address without what could be secret or personal in it.
export function address(href, base) {
  if (typeof href !== "string" || !href) return undefined;
  let url;
  try {
    url = new URL(href, base);
  } catch {
    return undefined;
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return undefined;
  const parts = url.pathname.split("/");
  let head = 1;
  while (head < 3 && PREFIX.test(parts[head] ?? "")) head += 1;
  const named = (parts[head] ?? "").toLowerCase();
  const hidden = PRIVATE.has(named);
  const path = parts.slice(0, hidden ? head + 1 : APPS.has(named) ? head + 2 : undefined).join("/");
  const query = new URLSearchParams();
  for (const key of KEPT) {
    const value = url.searchParams.get(key);
    if (value && !hidden) query.set(key, value.slice(0, QUERY));
  }
  const whole = `${url.origin}${path}${query.toString() ? `?${query}` : ""}`;
  return { url: whole.length > ADDRESS ? `${url.origin}/` : whole, private: hidden };
}

// What has no number of its own ("all products", a gift card's line) has "" or "0": the rest of the event still counts.
function id(value) {
  return ID.test(String(value)) ? String(value) : undefined;
}

function number(value) {
  return value === null || value === undefined || value === "" || !Number.isFinite(Number(value)) ? undefined : Number(value);
}

function cut(text, length) {
  return typeof text === "string" ? Array.from(text).slice(0, length).join("") : undefined;
}

// Without what is not there.
function compact(value) {
  if (Array.isArray(value)) return value.map(compact);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).map(([key, each]) => [key, compact(each)]);
  return Object.fromEntries(kept.filter(([, each]) => each !== null && each !== undefined && each !== "" && !isEmpty(each)));
}

function isEmpty(value) {
  return typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0;
}
