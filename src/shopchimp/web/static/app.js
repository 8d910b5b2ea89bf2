// shopchimp's own script. Every page works without it where the browser may carry the proof of who asks; inside the
// Shopify admin only fetch() gets a session token (App Bridge wraps it), so here links and forms become fetches.

const FRAGMENT = { "X-Fragment": "1" };
const POLL_EVERY = 2000;
let visiting = null;
let timer = 0;
let edited = false;

const parse = (html) => new DOMParser().parseFromString(html, "text/html");
const ours = (url) => url.origin === location.origin && !/^\/(static|downloads|auth)\//.test(url.pathname);

// Fetch a page and put its <main> in place of ours. A refused form (409, 422) comes back as a page too.
async function visit(address, options = {}, history_ = "push") {
  visiting?.abort();
  const mine = (visiting = new AbortController());
  clearTimeout(timer);
  try {
    const response = await fetch(address, { ...options, headers: FRAGMENT, signal: mine.signal });
    if ((response.headers.get("content-type") ?? "").includes("json")) return leave(await response.json());
    const html = await response.text();
    if (mine.signal.aborted) return;
    show(parse(html));
    const isPage = !options.method || response.redirected;
    if (isPage && history_ === "push") history.pushState(null, "", response.url);
    if (isPage && history_ === "replace") history.replaceState(null, "", response.url);
  } catch (error) {
    if (error.name !== "AbortError") trouble();
  } finally {
    if (visiting === mine) { visiting = null; poll(); }
  }
}

// The admin asks the merchant for an optional permission in a window of its own; then the server looks what is allowed.
async function allow(scopes) {
  try {
    await window.shopify.scopes.request(scopes);
    visit("/setup/permissions", { method: "POST", body: new URLSearchParams() });
  } catch { trouble(); }
}

function leave(answer) {
  if (answer.open) open(answer.open, "_top");
  else if (answer.download) location.assign(answer.download);
  idle();
}

function show(page) {
  const next = page.querySelector("main");
  if (!next) return trouble();
  document.querySelector("main").replaceWith(document.adoptNode(next));
  document.title = page.title;
  edited = false;
  for (const link of document.querySelectorAll("nav [data-section]")) {
    if (link.dataset.section === next.dataset.section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const target = ["[aria-invalid=true]", "[role=alert][tabindex]", "h1"].map((one) => next.querySelector(one)).find(Boolean);
  scrollTo(0, 0);
  target?.focus();
  if (next.querySelector(".banner.success")) window.shopify?.toast?.show("Settings saved");
}

function trouble() {
  idle();
  const main = document.querySelector("main");
  if (main.querySelector("#offline")) return;
  const banner = document.createElement("div");
  banner.id = "offline";
  banner.className = "banner critical";
  banner.tabIndex = -1;
  banner.setAttribute("role", "alert");
  banner.textContent = "shopchimp isn't answering. Nothing was changed by this click. Try again.";
  main.prepend(banner);
  banner.focus();
}

function idle() {
  for (const busy of document.querySelectorAll("[aria-busy=true]")) busy.removeAttribute("aria-busy");
}

// While something is under way the page asks for its changing parts; parts that are the same are left alone,
// so focus and typed text stay. The last answer has no data-poll, which ends it.
function poll() {
  clearTimeout(timer);
  if (document.querySelector("[data-poll]")) timer = setTimeout(ask, POLL_EVERY);
}

async function ask() {
  const region = document.querySelector("[data-poll]");
  if (!region || visiting) return poll();
  if (!document.hidden) {
    try {
      const response = await fetch(region.dataset.poll, { headers: FRAGMENT });
      const next = parse(await response.text()).getElementById(region.id);
      if (next && region.isConnected && !visiting) update(region, next);
      else if (response.redirected && !visiting) return visit(response.url, {}, "replace");
    } catch { /* the next round asks again */ }
  }
  poll();
}

function update(region, next) {
  if (next.dataset.visit) return visit(next.dataset.visit, {}, "replace");
  if (next.dataset.poll) region.dataset.poll = next.dataset.poll;
  else delete region.dataset.poll;
  for (const part of next.querySelectorAll("[data-part]")) {
    const old = region.querySelector(`[data-part="${part.dataset.part}"]`);
    if (old && !old.isEqualNode(part)) old.replaceChildren(...part.childNodes);
  }
}

addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const url = new URL(link.href);
  if (link.target || link.download || !ours(url) || (url.hash && url.pathname === location.pathname)) return;
  event.preventDefault();
  if (mayLeave()) visit(url);
});

addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  const url = new URL(submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? "", location.href);
  if (!ours(url) || event.defaultPrevented) return;
  event.preventDefault();
  if (submitter?.getAttribute("aria-busy")) return;
  submitter?.setAttribute("aria-busy", "true");
  if (submitter?.dataset.scopes && window.shopify?.scopes?.request) return allow(submitter.dataset.scopes.split(","));
  const fields = new URLSearchParams(new FormData(form, submitter));
  if (form.method === "post") visit(url, { method: "POST", body: fields });
  else visit(`${url.pathname}?${fields}`);
});

// The admin's own menu asks us to go somewhere; inside the admin its save bar guards unsaved changes, else we do.
addEventListener("shopify:navigate", (event) => {
  const address = event.target.getAttribute?.("href");
  if (address) visit(new URL(address, location.href));
});
const saveBar = () => document.querySelector("form[data-save-bar]");
const mayLeave = () => !(edited && saveBar()) || window.shopify || confirm("Leave without saving your changes?");
addEventListener("input", (event) => { if (event.target.form === saveBar()) edited = true; });
addEventListener("beforeunload", (event) => { if (edited && saveBar() && !window.shopify) event.preventDefault(); });
addEventListener("popstate", () => visit(location.href, {}, "none"));
addEventListener("pageshow", idle);
poll();
