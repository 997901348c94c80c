"use strict";

// The live list of the inbox. Nothing in it moves by itself: new rows wait for a button, and rows of
// settled requests stay with their outcome until the reviewer moves on.
loopin.list = (() => {
  const list = document.getElementById("rows");
  const heading = document.getElementById("inbox");
  const message = document.getElementById("message");
  const newer = document.getElementById("newer");
  const tidier = document.getElementById("tidy");
  const SHORTEST_GAP_MS = 1_000;
  const NEWS_MS = 1_500;
  const SOON_S = 300;
  // Compares the ranks of rows by the numbers in them.
  const { compare } = new Intl.Collator("en", { numeric: true });
  let looking = false;
  let lookAgain = false;
  let announcing = null;
  // By their ids, new rows that are not shown yet.
  const held = new Map();
  // By their ids, the current versions of other parts, which would move what is below them.
  const parts = new Map();

  const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const rows = () => [...list.children];
  const part = (id) => parts.get(id) ?? document.getElementById(id);

  /** Update the list, at most once a second. */
  async function look() {
    lookAgain = true;
    if (looking) return;
    looking = true;
    while (lookAgain) {
      lookAgain = false;
      const gap = pause(SHORTEST_GAP_MS);
      // The stream reports a lost connection.
      await ask().then(show).catch(() => {});
      await gap;
    }
    looking = false;
  }

  function ask() {
    const ids = (items) => Array.from(items, ({ id }) => id.replace(/^[a-z]+-/, "")).join(" ");
    const waiting = [...list.querySelectorAll(".row:not(.gone)"), ...held.values()];
    const settled = part("recent").querySelectorAll("li");
    const body = new URLSearchParams({ waiting: ids(waiting), settled: ids(settled) });
    return loopin.fetch(location.href, { method: "POST", body });
  }

  async function show(answer) {
    if (answer.status === 401) return leaveSignedOut();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // A proxy may answer in place of the API.
    if (page.getElementById("rows")) {
      message.querySelector(".stale")?.remove();
      exchange(page);
    } else if (!message.querySelector(".stale")) {
      say("This list may be out of date. LoopIn cannot load it right now.");
      message.firstElementChild.classList.add("stale");
    }
  }

  /** Take in an update: mark the rows that were settled, and hold back what would move others. */
  function exchange(page) {
    const summary = page.getElementById("summary").textContent;
    announce(summary);
    document.getElementById("summary").textContent = summary;
    document.title = page.title;
    // An item without content is one that this page has.
    for (const item of page.querySelectorAll("#recent li:empty")) {
      item.replaceWith(part("recent").querySelector(`#${CSS.escape(item.id)}`).cloneNode(true));
    }
    for (const id of ["rest", "recent"]) {
      if (page.getElementById(id)) parts.set(id, page.getElementById(id));
    }
    for (const row of page.querySelectorAll("#rows > .row")) {
      if (!document.getElementById(row.id)) held.set(row.id, row);
    }
    for (const end of page.querySelectorAll("#gone > li")) {
      held.delete(end.dataset.row);
      settle(document.getElementById(end.dataset.row), end.dataset.state, end.textContent);
    }
    if (document.hidden) tidy();
    // Nobody uses an empty list.
    else if (!list.children.length) insert();
    offer();
    refresh();
  }

  /** Show the new rows in their order. */
  function insert() {
    const hadNone = !list.children.length;
    for (const [id, row] of held) {
      held.delete(id);
      const next = rows().find((shown) => compare(shown.dataset.rank, row.dataset.rank) > 0);
      list.insertBefore(row, next ?? null);
    }
    moveOn();
    if (hadNone && list.children.length) document.getElementById("first-run")?.remove();
    list.dispatchEvent(new Event("inserted"));
  }

  /** Bring the other parts up to date, after the reviewer has done something. */
  function moveOn() {
    for (const [id, shown] of parts) {
      const here = document.getElementById(id);
      const focused = here.contains(document.activeElement) && document.activeElement.href;
      here.replaceChildren(...shown.childNodes);
      if (focused) [...here.querySelectorAll("a")].find(({ href }) => href === focused)?.focus();
    }
    parts.clear();
    loopin.hold();
    offer();
    refresh();
  }

  /** Remove the rows of settled requests, but not the one that is open. */
  function clear() {
    for (const row of list.querySelectorAll(".row.gone:not(:has([aria-current]))")) row.remove();
    moveOn();
  }

  function tidy() {
    clear();
    if (document.hidden) insert();
  }

  function offer() {
    newer.disabled = !held.size;
    if (held.size) newer.textContent = `${held.size} new`;
    tidier.disabled = !list.querySelector(".gone");
  }

  /** Mark a row whose request was settled. */
  function settle(row, state, words) {
    if (!row || row.matches(".gone")) return;
    row.classList.add("gone");
    const left = row.querySelector(".left");
    left.textContent = state;
    left.className = `left mark mark-${state.toLowerCase()}`;
    row.querySelector(".pick")?.remove();
    announce(words);
    offer();
    list.dispatchEvent(new CustomEvent("gone", { detail: row }));
  }

  function say(...contents) {
    const said = Object.assign(document.createElement("p"), { className: "notice" });
    said.append(...contents);
    message.replaceChildren(said);
  }

  /** Announce to screen readers, once changes pause. */
  function announce(text) {
    if (text === document.getElementById("summary").textContent) return;
    clearTimeout(announcing);
    announcing = setTimeout(() => { document.getElementById("news").textContent = text; }, NEWS_MS);
  }

  function leaveSignedOut() {
    stream.stop();
    const link = Object.assign(document.createElement("a"),
      { href: location.href, target: "_blank", textContent: "Sign in again" });
    say("You are signed out, so this list is no longer updated. What you typed stays.", " ", link);
  }

  function refresh() {
    loopin.refresh();
    for (const row of list.querySelectorAll(".row:not(.gone)")) {
      const left = loopin.secondsTo(row.querySelector(".left [data-moment]").dataset.moment);
      row.classList.toggle("soon", left < SOON_S);
    }
  }

  newer.addEventListener("click", () => {
    insert();
    heading.focus({ preventScroll: true });
  });
  tidier.addEventListener("click", () => {
    list.dispatchEvent(new Event("tidied"));
    clear();
    heading.focus({ preventScroll: true });
  });

  const stream = loopin.follow(() => list.dataset.events, { changed: look }, {
    // The title shows the number even if another tab is in front.
    rests: false,
    lost: "Connection lost. This list may be out of date. Reconnecting…",
    whenLost: look,
  });

  document.addEventListener("moved", () => {
    message.replaceChildren();
    // Their links lead to the earlier place.
    held.clear();
    parts.clear();
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

  refresh();
  setInterval(refresh, 5_000);
  return { rows, settle, clear, moveOn, say, leaveSignedOut };
})();
