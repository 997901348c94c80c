"use strict";

// The review page of a pending request: shows at once when it is settled elsewhere.
{
  // If no page has come by then, the decision can be sent again.
  const SENDING_MS = 10_000;
  const form = document.querySelector("main form");
  // The form is also shown at the inbox's address, if its input has to be corrected.
  const page = () => form.dataset.review;
  let sending = null;

  const stream = loopin.follow(() => `${page()}/events`, { settled: showOutcome }, { whenLost });

  /** Replace the page with its current version, and say that it was settled meanwhile. */
  async function showOutcome() {
    // The human's own decision settles it too; then the browser is loading its page already.
    if (sending || !form.isConnected) return;
    const shown = settledPart(await look());
    if (!shown || sending || !form.isConnected) return;
    stream.stop();
    const notice = fill(document.getElementById("meanwhile").content, shown.main);
    document.title = shown.title;
    document.querySelector("main").replaceWith(shown.main);
    // Screen readers announce an alert only if it is added to a page that is already there.
    shown.main.prepend(notice);
    loopin.refresh();
    document.getElementById("outcome").focus({ preventScroll: true });
    scrollTo({ top: 0 });
  }

  /** Say that the reviewer is signed out, if that ended the stream; their input stays. */
  async function whenLost() {
    const shown = await look();
    if (!shown?.getElementById("sign-in")) return;
    stream.stop();
    form.before(document.getElementById("signed-out").content.cloneNode(true));
    loopin.hold();
  }

  document.addEventListener("moved", () => {
    document.querySelector(".signed-out")?.remove();
    stream.resume();
  });

  /** The current version of the page, or null. */
  async function look() {
    try {
      const answer = await loopin.fetch(page());
      return new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return null;
    }
  }

  /** The title and main part of a settled page, or null; then the stream reconnects and tries again. */
  function settledPart(shown) {
    const settled = shown?.getElementById("outcome");
    return settled && { title: shown.title, main: shown.querySelector("main") };
  }

  function fill(notice, main) {
    notice.querySelector("[data-outcome]").textContent =
      main.querySelector("[data-outcome]").dataset.outcome;
    for (const field of notice.querySelectorAll("[data-typed]")) {
      const typed = form.elements[field.dataset.typed].value;
      if (!typed.trim()) continue;
      field.textContent = typed;
      field.closest("[hidden]").hidden = false;
      field.closest("dl").parentElement.hidden = false;
    }
    return notice;
  }

  form.addEventListener("submit", (submitted) => {
    // A second click would send a second decision, and show its refusal.
    if (sending) return submitted.preventDefault();
    form.setAttribute("aria-busy", "true");
    sending = setTimeout(wait, SENDING_MS);
  });

  function wait() {
    sending = null;
    form.removeAttribute("aria-busy");
    stream.again();
  }

  // The browser restored this page from its cache, so nothing is being sent.
  addEventListener("pageshow", (shown) => {
    if (!shown.persisted) return;
    clearTimeout(sending);
    wait();
    loopin.hold();
  });

  document.addEventListener("urgent", () => {
    document.getElementById("last-minute").textContent = "Less than a minute left to decide.";
  }, { once: true });
}
