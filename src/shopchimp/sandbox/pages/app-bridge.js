// Stands in for Shopify's App Bridge: session tokens on same-origin requests, window.shopify.idToken() and toasts.
(() => {
  const admin = new URL(document.currentScript.src).origin;
  const parameters = new URLSearchParams(location.search);
  const shop = parameters.get("shop") ?? document.currentScript.dataset.shop ?? "";
  const framed = window.parent !== window;
  const waiting = new Map();
  let calls = 0;

  addEventListener("message", (event) => {
    if (event.origin !== admin || event.data?.type !== "sandbox:id-token") return;
    waiting.get(event.data.call)?.(event.data.token);
    waiting.delete(event.data.call);
  });

  const askParent = () => new Promise((resolve) => {
    waiting.set(++calls, resolve);
    window.parent.postMessage({ type: "sandbox:id-token", call: calls }, admin);
  });

  const plainFetch = window.fetch.bind(window);
  const askAdmin = async () => {
    const answer = await plainFetch(`${admin}/_sandbox/session-token?shop=${encodeURIComponent(shop)}`);
    return (await answer.json()).id_token;
  };
  const idToken = () => (framed ? askParent() : askAdmin());

  const withToken = async (request) => {
    const signed = new Request(request);
    signed.headers.set("Authorization", `Bearer ${await idToken()}`);
    return plainFetch(signed);
  };

  window.fetch = async (input, init) => {
    const request = new Request(input, init);
    if (new URL(request.url).origin !== location.origin || request.headers.has("Authorization")) {
      return plainFetch(request);
    }
    const again = request.clone();
    const answer = await withToken(request);
    return answer.headers.get("X-Shopify-Retry-Invalid-Session-Request") ? withToken(again) : answer;
  };

  window.shopify = {
    idToken,
    config: { shop, apiKey: document.currentScript.dataset.apiKey, locale: parameters.get("locale") ?? "en" },
    environment: { embedded: framed, mobile: false, pos: false },
    toast: {
      show(message) {
        if (framed) window.parent.postMessage({ type: "sandbox:toast", message }, admin);
        return message;
      },
      hide() {},
    },
  };

  // A page that was loaded without a good token asks to be loaded again with one (shopify.md 4.2).
  const reload = parameters.get("shopify-reload");
  if (reload) {
    const there = new URL(reload, location.origin);
    if (there.origin === location.origin) {
      idToken().then((token) => {
        there.searchParams.set("id_token", token);
        location.replace(there);
      });
    }
  }
})();
