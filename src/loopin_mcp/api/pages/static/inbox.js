"use strict";

// The live inbox: reloads its list after every change, and sends decisions without leaving the page.
{
  const list = document.getElementById("rows");
  const heading = document.getElementById("inbox");
  const outcome = document.getElementById("outcome");
  const question = document.getElementById("confirm");
  const reason = document.getElementById("confirm-reason");
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
  let asked = null;

  const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const parsed = async (answer) =>
    new DOMParser().parseFromString(await answer.text(), "text/html");
  const isInUse = (row) => row.querySelector("details").open || row === asked?.row || isTyped(row);
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

  /** Update this page from another: add and remove rows, and replace the parts around them. */
  function exchange(page) {
    const rows =
      [...page.querySelectorAll("#rows > .row")].filter((row) => !decided.has(row.id));
    const staying = new Set(rows.map((row) => row.id));
    for (const row of [...list.children]) if (!staying.has(row.id)) leave(row);
    let last = null;
    for (const row of rows) {
      const known = document.getElementById(row.id);
      if (!known && last) last.after(row);
      else if (!known) list.prepend(row);
      last = known ?? row;
    }
    announce(page.getElementById("summary").textContent);
    for (const part of PARTS) {
      exchangePart(document.getElementById(part), page.getElementById(part));
    }
    document.title = page.title;
    refresh();
  }

  function exchangePart(here, there) {
    const focused = here.contains(document.activeElement) && document.activeElement.href;
    here.replaceChildren(...there.childNodes);
    if (focused) [...here.querySelectorAll("a")].find((link) => link.href === focused)?.focus();
  }

  /** Remove a row that left the list. A row in use stays and shows its outcome. */
  async function leave(row) {
    if (row.dataset.leaving || row.matches("[aria-busy]")) return;
    if (!isInUse(row)) return drop(row);
    row.dataset.leaving = "yes";
    const settled = await outcomeOf(row);
    // It may also have moved to the next part of the list, or its page cannot be loaded.
    if (settled) showSettled(row, settled);
    else delete row.dataset.leaving;
  }

  /** The outcome of a request in words; empty while it is pending, undefined if not known. */
  async function outcomeOf(row) {
    const page = await loopin.fetch(row.querySelector(".more a").href).then(parsed).catch(() => null);
    if (!page?.getElementById("request")) return undefined;
    return page.querySelector("[data-outcome]")?.dataset.outcome ?? "";
  }

  function showSettled(row, settled) {
    if (row === asked?.row) question.close("no");
    row.classList.add("gone");
    for (const field of row.querySelectorAll("textarea")) field.readOnly = true;
    // An unconfirmed decision may be the one that settled it.
    row.append(notice(row.dataset.sent ? settled : `${settled} Your input was not recorded.`));
    announce(settled);
  }

  function drop(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    const hadFocus = row.contains(document.activeElement);
    row.remove();
    if (hadFocus) (next?.querySelector("summary") ?? heading).focus();
  }

  /** Send a row's form. A refused form is sent once more, as a page that shows why. */
  async function send(form, decision) {
    const row = form.closest(".row");
    if (row.matches("[aria-busy]")) return;
    row.setAttribute("aria-busy", "true");
    const body = new URLSearchParams(new FormData(form));
    body.set("decision", decision);
    // An earlier, unconfirmed decision may have been recorded.
    const settled = row.dataset.sent ? await outcomeOf(row) : "";
    const answer = settled === "" && await loopin.fetch(form.action,
      { method: "POST", body, headers: { Prefer: "return=minimal" } }).catch(() => null);
    if (answer?.status === 204) return showDecided(row);
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

  /** Remove a row whose decision is recorded, even if the list cannot be reloaded. */
  async function showDecided(row) {
    decided.add(row.id);
    const action = row.querySelector(".action").textContent;
    drop(row);
    const there = new URL(location.href);
    there.searchParams.set("done", row.id.replace("request-", ""));
    const page = await loopin.fetch(there).then(parsed).catch(() => null);
    if (!page?.getElementById("rows")) return say(`Your decision was recorded: ${action}`);
    exchangePart(outcome, page.getElementById("outcome"));
    exchange(page);
  }

  function sendToPage(form, value) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "decision", value });
    form.append(field);
    form.submit();
  }

  function ask(row, decision) {
    const form = row.querySelector("form");
    if (row.matches(".gone, [aria-busy]")) return;
    // A request that is too long for the list has no form here.
    if (!form) return row.querySelector(".more a").click();
    asked = { row, form, decision };
    const verb = decision === "approved" ? "Approve" : "Reject";
    const yes = document.getElementById("confirm-yes");
    document.getElementById("confirm-heading").textContent = `${verb} this request?`;
    [yes.textContent, yes.className] = [verb, verb.toLowerCase()];
    copy(row.querySelector(".action"), "confirm-action");
    copy(row.querySelector(".who"), "confirm-who");
    copy(row.querySelector(".context"), "confirm-context");
    const modified = document.getElementById("confirm-modified");
    modified.hidden = !form.elements.modifiedParams.value.trim();
    modified.querySelector("code").textContent = form.elements.modifiedParams.value;
    reason.value = form.elements.reason.value;
    question.returnValue = "no";
    question.showModal();
    reason.focus();
  }

  function copy(source, target) {
    document.getElementById(target).replaceChildren(...source.cloneNode(true).childNodes);
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
    for (const row of list.children) {
      const left = loopin.secondsTo(row.querySelector(".left [data-moment]").dataset.moment);
      row.classList.toggle("soon", left < SOON_S);
    }
  }

  list.addEventListener("ask", (event) => ask(event.target, event.detail));

  reason.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) question.close("yes");
  });

  question.addEventListener("close", () => {
    const { form, decision } = asked;
    asked = null;
    form.elements.reason.value = reason.value;
    if (question.returnValue === "yes") send(form, decision);
  });

  list.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.target, event.submitter.value);
  });

  list.addEventListener("toggle", (event) => {
    const row = event.target.closest(".gone");
    if (row && !event.target.open) drop(row);
  }, true);

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

  // The outcome is shown once, and not again after a reload.
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    here.searchParams.delete("done");
    history.replaceState(null, "", here);
  }
  refresh();
  setInterval(refresh, 5_000);
}
