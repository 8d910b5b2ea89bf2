// A storefront as Shopify shows it to a pixel: its events in the shape of the types of version 2.18.0, with all that
// must never leave it.

export const SETTINGS = { accountID: "acc_5f3a9c1e", endpoint: "https://app.example.com/pixel/v1/events" };
export const ALL = {
  analyticsProcessingAllowed: true, marketingAllowed: true, preferencesProcessingAllowed: true, saleOfDataAllowed: true,
};
export const NONE = {
  analyticsProcessingAllowed: false, marketingAllowed: false, preferencesProcessingAllowed: false, saleOfDataAllowed: false,
};
export const CUSTOMER = {
  id: "7300000000101", email: "ana.reyes@example.com", firstName: "Ana", lastName: "Reyes", phone: "+15550142", ordersCount: 3,
};

const VARIANT = {
  id: "44100000000301", title: "Blue", untranslatedTitle: "Blue", sku: "MUG-B", image: { src: "https://cdn.example.com/m.png" },
  price: { amount: 18.5, currencyCode: "USD" },
  product: {
    id: "8123456789", title: "Blue mug", untranslatedTitle: "Blue mug", type: "Mugs", vendor: "Pinewood",
    url: "/products/blue-mug?variant=44100000000301&token=hidden",
  },
};
const ADDRESS = { firstName: "Ana", lastName: "Reyes", address1: "1 Elm Street", city: "Portland", zip: "97201", phone: "+15550142" };
const CHECKOUT = {
  token: "c1f2a3b4c5d6e7f8", email: "ana.reyes@example.com", phone: "+15550142", currencyCode: "USD",
  buyerAcceptsEmailMarketing: true, buyerAcceptsSmsMarketing: false, smsMarketingPhone: "+15550142",
  attributes: [{ key: "gift note", value: "a typed note" }], billingAddress: ADDRESS, shippingAddress: ADDRESS,
  delivery: { selectedDeliveryOptions: [] }, discountApplications: [], discountsAmount: { amount: 0, currencyCode: "USD" },
  lineItems: [
    {
      id: "1", title: "Blue mug", quantity: 2, variant: VARIANT, finalLinePrice: { amount: 37, currencyCode: "USD" },
      properties: [{ key: "engraving", value: "a typed wish" }], discountAllocations: [], sellingPlanAllocation: null,
    },
  ],
  localization: {}, order: null, shippingLine: null, smsMarketingPhoneNumber: null,
  subtotalPrice: { amount: 37, currencyCode: "USD" }, totalPrice: { amount: 42, currencyCode: "USD" },
  totalTax: { amount: 0, currencyCode: "USD" }, transactions: [],
};

// Name -> what Shopify gives as `data`, and the page it happens on.
export const HAPPENINGS = {
  page_viewed: [{}, "/?utm_source=mailchimp&utm_campaign=november&mc_eid=hidden", "Pinewood Lamps"],
  product_viewed: [{ productVariant: VARIANT }, "/products/blue-mug?variant=44100000000301", "Blue mug"],
  collection_viewed: [
    { collection: { id: "5500000001", title: "Mugs", productVariants: [VARIANT, VARIANT] } }, "/collections/mugs", "Mugs",
  ],
  search_submitted: [
    { searchResult: { query: "blue mug", productVariants: [VARIANT] } }, "/search?q=blue+mug", "Search: blue mug",
  ],
  product_added_to_cart: [
    { cartLine: { merchandise: VARIANT, quantity: 2, cost: { totalAmount: { amount: 37, currencyCode: "USD" } } } },
    "/products/blue-mug", "Blue mug",
  ],
  checkout_started: [{ checkout: CHECKOUT }, "/checkouts/cn/c1f2a3b4c5d6e7f8/information?key=hidden", "Checkout"],
  payment_info_submitted: [{ checkout: CHECKOUT }, "/checkouts/cn/c1f2a3b4c5d6e7f8/payment", "Payment of Ana Reyes"],
  checkout_completed: [
    { checkout: { ...CHECKOUT, order: { id: "6100000000001", customer: { id: "7300000000101", isFirstOrder: false } } } },
    "/checkouts/cn/c1f2a3b4c5d6e7f8/thank-you", "Thank you, Ana",
  ],
};
// What must be in no beacon of these happenings.
export const NEVER = ["hidden", "+1555", "Elm Street", "Portland", "Reyes", "a typed", "MUG-B", "cdn.example.com"];

let seq = 0;

export function happening(name, changes = {}) {
  const [data, path, title] = HAPPENINGS[name] ?? [{}, "/", "Pinewood Lamps"];
  seq += 1;
  return {
    id: `sh-${String(seq).padStart(8, "0")}-0000-4000-8000-000000000000`,
    clientId: "9d4f7b1c-2a60-4f3e-8b21-6a0c5d1e7f90",
    name, seq, timestamp: new Date().toISOString(), type: "standard",
    context: {
      document: {
        title, referrer: "https://search.example.com/?q=hidden", characterSet: "UTF-8",
        location: { href: `https://pinewood.example.com${path}` },
      },
      navigator: { language: "en", userAgent: "hidden" },
      window: {},
    },
    data,
    ...changes,
  };
}

// The pixel's surroundings: `happens` publishes an event, `decides` is the visitor's answer to the banner.
export function storefront({ settings = SETTINGS, consent = ALL, customer = null } = {}) {
  const heard = new Map();
  let answered = () => {};
  return {
    api: {
      settings,
      init: { customerPrivacy: consent, data: { customer, cart: null, shop: {} }, context: {} },
      analytics: {
        subscribe(name, callback) {
          heard.set(name, callback);
        },
      },
      customerPrivacy: {
        subscribe(name, callback) {
          if (name === "visitorConsentCollected") answered = callback;
        },
      },
      browser: {},
    },
    heard,
    happens: (event) => heard.get(event.name)?.(event),
    decides: (customerPrivacy) => answered({ customerPrivacy }),
  };
}
