"use strict";

// The selected request beside the list, on a wide screen. On a narrow one, rows are plain links.
loopin.pane = (() => {
  const list = document.getElementById("rows");
  const pane = document.getElementById("pane");
  // A key that is held down moves over rows without loading each.
  const REST_MS = 60;
  let loading = null;
  let waits = null;
  let desk = null;

  const isShown = () => pane.checkVisibility();
  const linkOf = (row) => row?.querySelector("a.open");
  const current = () => list.querySelector("[aria-current]")?.closest(".row");

  /** Mark a row as the selected one, and load its request. */
  function select(row, { clears = false } = {}) {
    if (!row) return false;
    const changes = row !== current();
    if (changes) {
      for (const each of list.querySelectorAll("[aria-current]")) each.removeAttribute("aria-current");
      linkOf(row).setAttribute("aria-current", "true");
      // A row under the pointer stays there; keys have no place of their own.
      if (clears) loopin.list.clear();
      else loopin.list.moveOn();
    }
    if (isShown() && (changes || pane.dataset.row !== row.id)) load(row);
    return true;
  }

  function load(row) {
    loading?.abort();
    clearTimeout(waits);
    loading = new AbortController();
    const { signal } = loading;
    pane.dataset.row = row.id;
    pane.setAttribute("aria-busy", "true");
    // It counts as opened, like its own page.
    const headers = { "LoopIn-Shown": "yes" };
    waits = setTimeout(() => fill(linkOf(row).href, signal, { headers }), REST_MS);
  }

  /** Show the part of a page that stands for it. The newest wins. */
  async function fill(url, signal, options = {}) {
    const answer = await loopin.fetch(url, { ...options, signal }).catch(() => null);
    const text = await answer?.text().catch(() => null);
    if (signal.aborted) return;
    if (answer?.status === 401) return loopin.list.leaveSignedOut();
    const page = new DOMParser().parseFromString(text ?? "", "text/html");
    const shown = page.querySelector(".desk, .together") ?? page.querySelector("main");
    if (!shown) return fail(url);
    put(shown);
  }

  function put(shown) {
    desk?.stop();
    const hadFocus = pane.contains(document.activeElement);
    // A page without a part of its own would be a second main part.
    const isPart = !shown.matches("main");
    pane.replaceChildren(...(isPart ? [shown] : shown.childNodes));
    pane.removeAttribute("aria-busy");
    pane.scrollTop = 0;
    loopin.refresh();
    desk = isPart && shown.matches(".desk") ? loopin.desk?.(shown) : null;
    if (hadFocus && !pane.contains(document.activeElement)) pane.focus({ preventScroll: true });
    // What decides has come to where something else was.
    loopin.hold();
  }

  function fail(url) {
    const words = Object.assign(document.createElement("p"), { className: "notice" });
    const link = Object.assign(document.createElement("a"), { href: url, textContent: "Open it" });
    words.append("This request cannot be loaded right now. ", link);
    put(Object.assign(document.createElement("div"), {}));
    pane.replaceChildren(words);
    delete pane.dataset.row;
  }

  function close() {
    loading?.abort();
    clearTimeout(waits);
    const words = Object.assign(document.createElement("p"),
      { className: "empty quiet", textContent: "Select a request to read it here." });
    put(Object.assign(document.createElement("div"), {}));
    pane.replaceChildren(words);
    delete pane.dataset.row;
    for (const each of list.querySelectorAll("[aria-current]")) each.removeAttribute("aria-current");
  }

  /** Send a form, and show the answer here; whether that is possible. */
  function submit(form, submitter) {
    if (!isShown()) return false;
    loading?.abort();
    clearTimeout(waits);
    loading = new AbortController();
    delete pane.dataset.row;
    pane.setAttribute("aria-busy", "true");
    const body = new URLSearchParams(new FormData(form, submitter));
    fill(form.action, loading.signal, { method: "POST", body }).then(() => {
      const decided = pane.querySelector("[data-decided]");
      for (const id of decided?.dataset.decided.split(" ") ?? []) {
        loopin.list.settle(document.getElementById(`request-${id}`), decided.dataset.state, "");
      }
      pane.querySelector("h1")?.focus({ preventScroll: true });
    });
    return true;
  }

  /** Select the row so many rows away, and give it the focus. */
  function move(step) {
    const all = loopin.list.rows();
    const place = all.indexOf(current());
    const to = all[place < 0 ? 0 : Math.min(Math.max(place + step, 0), all.length - 1)];
    if (!to) return false;
    linkOf(to).focus({ preventScroll: true });
    to.scrollIntoView({ block: "nearest" });
    return select(to, { clears: true });
  }

  /** Select the next request that waits. */
  function next() {
    const all = loopin.list.rows();
    const place = all.indexOf(current());
    const isOpen = (row) => !row.matches(".gone");
    const to = all.slice(place + 1).find(isOpen) ?? all.find(isOpen);
    if (!to) return close();
    linkOf(to).focus({ preventScroll: true });
    to.scrollIntoView({ block: "nearest" });
    select(to, { clears: true });
  }

  const isPlain = (event) =>
    !event.button && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;

  // Before the handlers of loopin.js, which follow links.
  addEventListener("click", (event) => {
    if (!isShown() || !isPlain(event)) return;
    const opened = event.target.closest("#rows a.open");
    const onward = event.target.closest("#pane a.next, #pane a.back");
    if (!opened && !onward) return;
    event.preventDefault();
    event.stopPropagation();
    if (onward) return next();
    const row = opened.closest(".row");
    // A click by Enter on the selected row goes to the request.
    if (row === current() && pane.dataset.row === row.id && !event.detail) pane.focus();
    else select(row);
  }, true);

  pane.addEventListener("submit", (event) => {
    if (!event.target.matches(".together form")) return;
    event.preventDefault();
    if (!pane.hasAttribute("aria-busy")) submit(event.target, event.submitter);
  });

  // The request was settled in this pane: its row says so, and stays selected.
  pane.addEventListener("settled", ({ detail }) => {
    const { status, outcome, id } = detail;
    const state = status[0].toUpperCase() + status.slice(1);
    loopin.list.settle(document.getElementById(`request-${id}`), state, outcome);
  });

  // Without a desk that follows it, a request that was settled elsewhere is loaded again.
  list.addEventListener("gone", ({ detail: row }) => {
    if (!desk && pane.dataset.row === row.id && row === current()) load(row);
  });

  list.addEventListener("tidied", () => {
    if (current()?.matches(".gone")) close();
  });

  /** Show the first request if none is selected, and the selected one once there is room. */
  function start() {
    if (!isShown()) return;
    const row = current() ?? loopin.list.rows()[0];
    if (row && pane.dataset.row !== row.id && !pane.querySelector(".together")) select(row);
  }

  list.addEventListener("inserted", () => { if (!current()) start(); });
  matchMedia("(min-width: 64rem)").addEventListener("change", start);
  start();

  const inList = (event) => event.target === document.body || event.target.closest("#several");
  loopin.keys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: (event) => inList(event) && move(1),
    ArrowUp: (event) => inList(event) && move(-1),
    n: () => { if (isShown()) next(); },
    "/": () => document.getElementById("search").focus(),
  });
  return { submit, current, close };
})();
