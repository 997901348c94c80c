"use strict";

// The live inbox: reloads its list after every change, and sends decisions without leaving the page.
// Rows stay where they are until the reviewer moves on, so that nothing slips under their hand.
{
  const list = document.getElementById("rows");
  const heading = document.getElementById("inbox");
  const outcome = document.getElementById("outcome");
  const tidier = document.getElementById("tidy");
  // Replaced as a whole. The rows are not, so that they keep the focus and the input.
  const PARTS = ["summary", "rest", "recent"];
  const SHORTEST_GAP_MS = 1_000;
  const NEWS_MS = 1_500;
  const SOON_S = 300;
  const UNCONFIRMED =
    "We could not confirm your decision. Check the request before trying again.";
  // A list that was requested before the decision still has these rows.
  const decided = new Set();
  let looking = false;
  let lookAgain = false;
  let announcing = null;
  // The rows of the last list that came, some of which may not be shown yet.
  let waiting = [];

  const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const parsed = async (answer) =>
    new DOMParser().parseFromString(await answer.text(), "text/html");
  const isInUse = (row) => row.querySelector("details").open || row.matches("[data-asked]") ||
    row.contains(document.activeElement) || isTyped(row);
  const isTyped = (row) =>
    [...row.querySelectorAll("textarea")].some((field) => field.value.trim() !== "");

  /** Reload the list, at most once a second. */
  async function look() {
    lookAgain = true;
    if (looking) return;
    looking = true;
    while (lookAgain) {
      lookAgain = false;
      const gap = pause(SHORTEST_GAP_MS);
      await loopin.fetch(location.href).then(show).catch(() => { /* The stream reports the lost connection. */ });
      await gap;
    }
    looking = false;
  }

  async function show(answer) {
    const page = await parsed(answer);
    if (page.getElementById("rows")) exchange(page);
    else if (page.getElementById("sign-in")) leaveSignedOut();
    else say("This list may be out of date. LoopIn cannot load it right now.");
  }

  /** Update this page from another: mark the rows that were settled, add rows, replace the rest. */
  async function exchange(page) {
    waiting = [...page.querySelectorAll("#rows > .row")].filter((row) => !decided.has(row.id));
    announce(page.getElementById("summary").textContent);
    for (const part of PARTS) {
      exchangePart(document.getElementById(part), page.getElementById(part));
    }
    document.title = page.title;
    if (document.hidden) clear();
    place(document.hidden || isAtRest());
    const ids = new Set(waiting.map((row) => row.id));
    for (const row of [...list.children]) if (!ids.has(row.id)) await leave(row);
    offer();
  }

  /** Whether rows may move: nobody reads, points at or types into the list. */
  function isAtRest() {
    return !list.matches(":hover") && ![...list.children].some(isInUse);
  }

  /** Show new rows in their order; those that would push others only if `all` are to be shown. */
  function place(all) {
    let last = null;
    let moved = false;
    for (const row of waiting) {
      const known = document.getElementById(row.id);
      const next = last ? last.nextElementSibling : list.firstElementChild;
      if (!known && next && !all) continue;
      if (!known) list.insertBefore(row, next);
      moved ||= !known && next !== null;
      last = known ?? row;
    }
    if (moved) loopin.hold();
    refresh();
  }

  /** Remove the rows of settled requests, except those in use. */
  function clear() {
    for (const row of list.querySelectorAll(".gone")) if (!isInUse(row)) row.remove();
  }

  /** Offer to show new rows and to remove settled ones, which the reviewer may do at any time. */
  function offer() {
    const newer = waiting.filter((row) => !document.getElementById(row.id)).length;
    const gone = list.querySelectorAll(".gone").length;
    tidier.disabled = !newer && !gone;
    tidier.textContent = newer ? `Show ${newer} new` : "Tidy up";
  }

  function tidy() {
    for (const row of list.querySelectorAll(".gone")) row.remove();
    place(true);
    offer();
    loopin.hold();
    heading.focus({ preventScroll: true });
  }

  function exchangePart(here, there) {
    const focused = here.contains(document.activeElement) && document.activeElement.href;
    here.replaceChildren(...there.childNodes);
    if (focused) [...here.querySelectorAll("a")].find((link) => link.href === focused)?.focus();
  }

  /** Mark a row that left the list with its outcome. */
  async function leave(row) {
    if (row.matches(".gone, [aria-busy]")) return;
    const settled = await outcomeOf(row);
    // It may also have moved to the next part of the list, or its page cannot be loaded.
    if (settled && !row.matches(".gone, [aria-busy]")) showSettled(row, settled);
  }

  /** The outcome of a request; null while it is pending, undefined if not known. */
  async function outcomeOf(row) {
    const page = await loopin.fetch(row.querySelector(".more a").href).then(parsed).catch(() => null);
    if (!page?.getElementById("request")) return undefined;
    const words = page.querySelector("[data-outcome]")?.dataset.outcome;
    return words ? { words, state: page.getElementById("outcome").textContent } : null;
  }

  function showSettled(row, { words, state }) {
    row.dispatchEvent(new CustomEvent("settled", { bubbles: true }));
    const typed = isTyped(row);
    row.classList.add("gone");
    row.querySelector(".left").textContent = state;
    for (const field of row.querySelectorAll("textarea")) field.readOnly = true;
    // An unconfirmed decision may be the one that settled it.
    const isLost = typed && !row.dataset.sent;
    // In place of the buttons, so that the rows below stay where they are.
    const buttons = row.querySelector(".buttons, .whole > .notice");
    const hadFocus = buttons.contains(document.activeElement);
    buttons.style.minHeight = `${buttons.offsetHeight}px`;
    buttons.replaceChildren(notice(isLost ? `${words} Your input was not recorded.` : words));
    if (hadFocus) row.querySelector("summary").focus({ preventScroll: true });
    loopin.hold();
    announce(words);
    offer();
  }

  /** Send a row's form. A refused form is sent once more, as a page that shows why. */
  async function send(form, decision) {
    const row = form.closest(".row");
    if (row.matches("[aria-busy]")) return;
    row.setAttribute("aria-busy", "true");
    const body = new URLSearchParams(new FormData(form));
    body.set("decision", decision);
    // An earlier, unconfirmed decision may have been recorded.
    const settled = row.dataset.sent ? await outcomeOf(row) : null;
    const answer = settled === null && await loopin.fetch(form.action,
      { method: "POST", body, headers: { Prefer: "return=minimal" } }).catch(() => null);
    if (answer?.status === 204) return showDecided(row, decision);
    if (answer?.status === 401) {
      row.removeAttribute("aria-busy");
      return leaveSignedOut();
    }
    // A conflict may be with the earlier decision.
    const isRefused = answer?.status >= 400 && answer.status < (row.dataset.sent ? 409 : 500);
    if (isRefused) return sendToPage(form, decision);
    row.removeAttribute("aria-busy");
    row.dataset.sent = "yes";
    if (settled) return showSettled(row, settled);
    const link = document.createElement("a");
    Object.assign(link, { href: row.querySelector(".more a").href, textContent: "View" });
    say(UNCONFIRMED, link);
    look();
  }

  /** Show that a decision is recorded, even if the list cannot be reloaded. */
  async function showDecided(row, decision) {
    decided.add(row.id);
    const action = row.querySelector(".action").textContent;
    row.removeAttribute("aria-busy");
    row.dataset.sent = "yes";
    const state = decision === "approved" ? "Approved" : "Rejected";
    showSettled(row, { words: `${state}. Your decision was recorded.`, state });
    const there = new URL(location.href);
    there.searchParams.set("done", row.id.replace("request-", ""));
    const page = await loopin.fetch(there).then(parsed).catch(() => null);
    if (!page?.getElementById("rows")) return say(`Your decision was recorded: ${action}`);
    exchangePart(outcome, page.getElementById("outcome"));
    await exchange(page);
  }

  function sendToPage(form, value) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "decision", value });
    form.append(field);
    form.submit();
  }

  function notice(text, link) {
    const paragraph = document.createElement("p");
    paragraph.className = "notice";
    paragraph.append(text, ...(link ? [" ", link] : []));
    return paragraph;
  }

  function say(text, link) {
    outcome.replaceChildren(notice(text, link));
  }

  /** Announce to screen readers, once changes pause. */
  function announce(text) {
    if (text === document.getElementById("summary").textContent) return;
    clearTimeout(announcing);
    announcing = setTimeout(() => { document.getElementById("news").textContent = text; }, NEWS_MS);
  }

  function leaveSignedOut() {
    stream.stop();
    const link = document.createElement("a");
    Object.assign(link, { href: location.href, target: "_blank", textContent: "Sign in again" });
    say("You are signed out, so this list is no longer updated. What you typed stays.", link);
  }

  function refresh() {
    loopin.refresh();
    for (const row of list.querySelectorAll(".row:not(.gone)")) {
      const left = loopin.secondsTo(row.querySelector(".left [data-moment]").dataset.moment);
      row.classList.toggle("soon", left < SOON_S);
    }
  }

  list.addEventListener("decide", (event) => send(event.target, event.detail));

  list.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target, event.submitter.value);
  });

  tidier.addEventListener("click", tidy);

  const stream = loopin.follow(() => list.dataset.events, { changed: look }, {
    // The title shows the number even if another tab is in front.
    rests: false,
    lost: "Connection lost. This list may be out of date. Reconnecting…",
    whenLost: look,
  });

  document.addEventListener("moved", () => {
    outcome.replaceChildren();
    stream.resume();
  });

  // A browser has six connections for all its tabs, so only the tab shown last keeps one.
  const tabs = new BroadcastChannel(`loopin-inbox ${location.pathname}`);
  tabs.addEventListener("message", () => {
    if (!document.hidden) return;
    lookAgain = false;
    stream.rest();
  });
  const tellTabs = () => { if (!document.hidden) tabs.postMessage("shown"); };
  document.addEventListener("visibilitychange", tellTabs);
  tellTabs();

  outcome.classList.add("toast");
  // The outcome is shown once, and not again after a reload.
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    here.searchParams.delete("done");
    history.replaceState(null, "", here);
  }
  refresh();
  setInterval(refresh, 5_000);
}
