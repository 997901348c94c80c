"use strict";

// The review page while it is pending: says so at once when the interrupt is settled elsewhere.
{
  // A decision that leads nowhere for so long may be sent again.
  const SENDING_MS = 10_000;
  const form = document.querySelector("main form");
  // The form is also shown at the inbox's address, when what it sent is to be mended.
  const page = form.dataset.review;
  let sending = null;

  const stream = loopin.follow(`${page}/events`, { settled: showOutcome }, { whenLost });

  /** Exchange what is shown for the page as it is now, and say that it was settled meanwhile. */
  async function showOutcome() {
    // The human's own decision settles it too, and then its page is on the way already.
    if (sending || !form.isConnected) return;
    const shown = settledPart(await look());
    if (!shown || sending || !form.isConnected) return;
    stream.stop();
    const notice = fill(document.getElementById("meanwhile").content, shown.main);
    document.title = shown.title;
    document.querySelector("main").replaceWith(shown.main);
    // An alert is heard only where it comes into a page that is there already.
    shown.main.prepend(notice);
    loopin.refresh();
    document.getElementById("outcome").focus({ preventScroll: true });
    scrollTo({ top: 0 });
  }

  /** Say so where the stream is lost since the reviewer is signed out; what they typed stays. */
  async function whenLost() {
    const shown = await look();
    if (!shown?.getElementById("sign-in")) return;
    stream.stop();
    form.before(document.getElementById("signed-out").content);
  }

  /** The page as it is now, or null. */
  async function look() {
    try {
      const answer = await fetch(page);
      return new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return null;
    }
  }

  /** A page once it is settled, or null: then the stream, which has ended, says so again. */
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
    // A second click would send a second decision, which is refused for the first.
    if (sending) return submitted.preventDefault();
    form.setAttribute("aria-busy", "true");
    sending = setTimeout(wait, SENDING_MS);
  });

  function wait() {
    sending = null;
    form.removeAttribute("aria-busy");
    stream.again();
  }

  // A page that the browser kept and shows again is not on its way any more.
  addEventListener("pageshow", (shown) => {
    if (!shown.persisted) return;
    clearTimeout(sending);
    wait();
  });

  document.addEventListener("urgent", () => {
    document.getElementById("last-minute").textContent = "Less than a minute left to decide.";
  }, { once: true });
}
