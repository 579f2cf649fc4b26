// The frame: who is signed in, which page is shown, whether the server is there.

import { onUnauthorized, storedKey, storeKey } from "./api";
import { announce, h, setText } from "./dom";
import { live } from "./live";
import type { MakePage, Page } from "./page";
import { cachePage } from "./pages/cache";
import { chatPage, forgetChat } from "./pages/chat";
import { learnPage } from "./pages/learn";
import { nowPage } from "./pages/now";
import { planPage } from "./pages/plan";
import { requestsPage } from "./pages/requests";
import { sessionsPage } from "./pages/sessions";
import { tenantsPage } from "./pages/tenants";
import "./styles.css";
import "./plan/plan.css";
import "./learn/learn.css";
import { applyTheme, setTheme, theme, type Theme } from "./theme";

const PAGES: { id: string; title: string; make: MakePage }[] = [
  { id: "now", title: "Now", make: nowPage },
  { id: "chat", title: "Chat", make: chatPage },
  { id: "sessions", title: "Sessions", make: sessionsPage },
  { id: "cache", title: "Cache", make: cachePage },
  { id: "tenants", title: "Tenants", make: tenantsPage },
  { id: "requests", title: "Requests", make: requestsPage },
  { id: "plan", title: "Plan", make: planPage },
  { id: "learn", title: "Learn", make: learnPage },
];

const main = h("main", { id: "main", tabindex: "-1" });
const status = h("p", { class: "connection", role: "status" });
const who = h("p", { class: "who" });
const signOut = h("button", { type: "button", class: "quiet", onclick: leave }, "Sign out");
const links = new Map<string, HTMLAnchorElement>();
let shown: Page | undefined;
let asking = false;

function frame(): HTMLElement {
  const list = h("ul");
  for (const { id, title } of PAGES) {
    const link = h("a", { href: `#/${id}` }, title);
    links.set(id, link);
    list.append(h("li", {}, link));
  }
  const select = h("select", { id: "theme", onchange: () => setTheme(select.value as Theme) });
  for (const [value, text] of [["auto", "As the system"], ["light", "Light"], ["dark", "Dark"]]) {
    select.append(h("option", { value: value ?? "" }, text));
  }
  select.value = theme();
  return h("div", { class: "frame" },
    h("a", { class: "skip", href: "#main", onclick: skip }, "To the page"),
    h("header", {},
      h("p", { class: "name" }, "Quire"),
      h("nav", { "aria-label": "Pages" }, list),
      h("div", { class: "corner" }, status, who, signOut,
        h("label", { for: "theme", class: "unseen" }, "Colours"), select)),
    main,
    h("footer", {}, h("a", { href: "licenses.txt" }, "Licences")),
    h("p", { id: "announcer", class: "unseen", role: "status" }));
}

function skip(event: Event): void {
  event.preventDefault();
  main.focus();
}

function leave(): void {
  storeKey("");
  clear();
  forgetChat();
  live.forget();
  live.start();
  show();
}

function clear(): void {
  shown?.leave();
  shown = undefined;
  main.replaceChildren();
}

function show(): void {
  if (asking) return;
  const wanted = location.hash.replace(/^#\/?/, "").split(/[?/]/)[0] ?? "";
  const page = PAGES.find(({ id }) => id === wanted) ?? PAGES[0];
  if (!page) return;
  for (const [id, link] of links) {
    if (id === page.id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page.title} – Quire`;
  clear();
  shown = page.make();
  main.append(h("h1", {}, page.title), shown.element);
}

/** The key is typed once a tab; a wrong one says so and asks again. */
function ask(): void {
  if (asking) return;
  asking = true;
  live.stop();
  clear();
  document.title = "Sign in – Quire";
  const refused = storedKey() !== "";
  const key = h("input", { type: "password", id: "key", autocomplete: "off", required: true,
    "aria-describedby": "key-about" });
  const form = h("form", { class: "sign-in" },
    h("h1", {}, "Sign in"),
    refused && h("p", { class: "problem", role: "alert" }, "The server does not know this key."),
    h("label", { for: "key" }, "Key"), key,
    h("button", { type: "submit" }, "Sign in"),
    h("p", { id: "key-about", class: "about" },
      "The one that “quire tenant add” printed. It stays in this tab and goes with it."));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    storeKey(key.value.trim());
    forgetChat();
    asking = false;
    live.forget();
    live.start();
    show();
  });
  main.replaceChildren(form);
  key.focus();
}

function tellConnection(): void {
  const { connection, state, problem } = live;
  const words = { connecting: "connecting …", live: "live", lost: `no connection: ${problem}`, refused: "not signed in" };
  setText(status, words[connection]);
  status.dataset["state"] = connection;
  const keyed = storedKey() !== "" && !asking;
  signOut.hidden = !keyed;
  setText(who, state && keyed ? `${state.tenant}${state.admin ? " (admin)" : ""}` : "");
}

applyTheme();
document.getElementById("app")?.append(frame());
onUnauthorized(ask);
live.subscribe(tellConnection);
window.addEventListener("hashchange", () => {
  show();
  announce(document.title);
  main.focus();
});
show();
live.start();
tellConnection();
