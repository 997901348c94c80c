"use strict";

// One request that is open in a page: sends the decision, asks once more where that is needed, keeps
// what was typed, and shows at once when the request is settled elsewhere.
{
  const SENDING_MS = 10_000;
  const DRAFT = "loopin-draft ";
  const AGAIN = "Press it again to decide.";
  const WITH_KEYS = "Ctrl+Enter decides, Esc goes back.";
  const UNSURE =
    "LoopIn did not answer, so your decision may not be recorded. What you typed is kept. " +
    "Decide again to send it again.";
  const MAYBE_YOURS =
    "LoopIn did not answer when you decided, so this may be your decision. This is what you typed:";

  /** Bring the part of a page with a request to life; `ask` and `stop` act on its newest version. */
  loopin.desk = (desk) => {
    document.dispatchEvent(new CustomEvent("desk", { detail: desk }));
    const form = desk.querySelector("form.column");
    if (!form) return { ask() {}, stop() {} };
    const bar = form.querySelector(".decide-bar");
    const ended = new AbortController();
    const { signal } = ended;
    let sending = false;
    // Whether a decision was sent and not answered.
    let unsure = false;
    let asked = null;
    let submitter = null;
    let newer = null;

    const page = () => desk.dataset.review;
    const button = (decision) => bar.querySelector(`button[value="${decision}"]`);
    const say = (text) => { bar.querySelector(".ask").textContent = text; };

    /** Ask for a decision once more, at the place of its button. */
    function ask(decision, words = WITH_KEYS) {
      if (sending || !form.isConnected) return;
      withdraw();
      asked = decision;
      button(decision).dataset.asked = "";
      say(words);
      if (decision === "rejected" && words === WITH_KEYS) form.elements.reason.focus();
      else button(decision).focus({ preventScroll: true });
    }

    function withdraw() {
      asked = null;
      say("");
      for (const each of bar.querySelectorAll("[data-asked]")) delete each.dataset.asked;
    }

    form.addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      ({ submitter } = submitted);
      const decision = submitter?.value;
      if (sending || !decision) return;
      if (desk.dataset.urgency === "high" && asked !== decision) {
        ask(decision, AGAIN);
        // The second click of a double click must not answer the question.
        loopin.hold();
      } else send(decision);
    }, { signal });

    async function send(decision) {
      sending = true;
      form.setAttribute("aria-busy", "true");
      fail("");
      form.elements.confirmed.value = decision;
      const body = new URLSearchParams(new FormData(form, submitter));
      body.set("decision", decision);
      const answer = await loopin.fetch(form.action, {
        method: "POST", body, signal: AbortSignal.timeout(SENDING_MS),
      }).catch(() => null);
      const shown = answer && parsed(await answer.text().catch(() => ""));
      sending = false;
      form.removeAttribute("aria-busy");
      const next = shown?.querySelector(".desk");
      if (next && unsure && answer.status === 409 && next.querySelector("[data-outcome]")) {
        putSettled(next, shown.title);
      } else if (next) put(next, shown.title);
      else if (answer?.status === 401) signedOut();
      else if (answer && answer.status < 500) fail(textOf(shown));
      else {
        unsure = true;
        fail(UNSURE);
        showOutcome();
      }
    }

    /** Put the current version of the request in place of this one. */
    function put(next, title) {
      stop();
      const settled = next.querySelector("[data-outcome]");
      const focused = next.querySelector("#outcome, [autofocus], [data-asked]");
      // The browser would only say that it is too late for that.
      focused?.removeAttribute("autofocus");
      if (settled) sessionStorage.removeItem(draftName());
      if (desk.parentElement.matches("main")) document.title = title;
      desk.replaceWith(next);
      loopin.refresh();
      newer = loopin.desk(next);
      focused?.focus({ preventScroll: Boolean(settled) });
      if (!settled) return loopin.hold();
      (next.parentElement.matches("main") ? window : next.parentElement).scrollTo({ top: 0 });
      const { status, outcome } = settled.dataset;
      const detail = { id: next.dataset.request, status, outcome };
      next.dispatchEvent(new CustomEvent("settled", { bubbles: true, detail }));
    }

    function fail(text) {
      withdraw();
      const said = document.createElement("p");
      said.role = "alert";
      said.textContent = text;
      bar.querySelector(".failure").replaceChildren(...(text ? [said] : []));
    }

    function textOf(shown) {
      const parts = [...shown?.querySelectorAll("main h1, main p") ?? []].slice(0, 2);
      return parts.map((part) => part.textContent.trim()).join(": ") || UNSURE;
    }

    function signedOut() {
      const words = desk.querySelector("template.signed-out").content.cloneNode(true);
      words.querySelector("a").href = page();
      bar.querySelector(".failure").replaceChildren(words);
    }

    // What was typed, for this tab only, until the request is settled.
    const draftName = () => DRAFT + desk.dataset.request;
    const typed = () => [...new FormData(form)].filter(([name]) =>
      !["payloadDigest", "confirmed", "newKeys", "decision"].includes(name));

    function keep() {
      const digest = form.elements.payloadDigest.value;
      sessionStorage.setItem(draftName(), JSON.stringify({ digest, typed: typed() }));
    }

    function restore() {
      const draft = JSON.parse(sessionStorage.getItem(draftName()) ?? "{}");
      if (draft.digest !== form.elements.payloadDigest.value) return;
      for (const [name, value] of draft.typed) {
        const field = form.elements[name];
        if (!field || field.value === value) continue;
        if (field.type === "checkbox") field.checked = true;
        else field.value = value;
        (field.dispatchEvent ? field : field[0]).dispatchEvent(new Event("input", { bubbles: true }));
      }
    }

    form.addEventListener("input", ({ target }) => {
      keep();
      // What would be approved now is not what was asked about.
      if (asked && !/reason$/i.test(target.name)) withdraw();
    }, { signal });

    /** Replace the request with its current version, and say that it was settled meanwhile. */
    async function showOutcome() {
      // The reviewer's own decision settles it too.
      if (sending || !form.isConnected) return;
      const answer = await loopin.fetch(page()).then((found) => found.text()).catch(() => "");
      const shown = parsed(answer);
      const next = shown.querySelector(".desk");
      const settled = next?.querySelector("[data-outcome]");
      // Otherwise the stream connects again, and this is tried again.
      if (!settled || sending || !form.isConnected) return;
      putSettled(next, shown.title);
    }

    /** Put the settled request in place of this one, with what was typed. */
    function putSettled(next, title) {
      const notice = filled(next.querySelector("[data-outcome]").dataset.outcome);
      put(next, title);
      // Screen readers announce an alert only if it is added to a page that is already there.
      next.querySelector(".notices").replaceChildren(notice);
    }

    function filled(outcome) {
      const notice = desk.querySelector("template.meanwhile").content.cloneNode(true);
      notice.querySelector("[data-outcome]").textContent = outcome;
      if (unsure) notice.querySelector("[hidden] p").textContent = MAYBE_YOURS;
      const lost = [...form.querySelectorAll("input:not([type=radio]), select, textarea")]
        .filter((field) => field.name !== "standing" && field.type !== "hidden" && isChanged(field));
      const rows = lost.map((field) => {
        const [name, value] = [document.createElement("dt"), document.createElement("dd")];
        name.textContent = field.labels[0]?.firstChild.textContent.trim() ?? "";
        Object.assign(value, { className: "text", dir: "auto", textContent: field.value });
        const row = document.createElement("div");
        row.append(name, value);
        return row;
      });
      notice.querySelector("dl").append(...rows);
      notice.querySelector("[hidden]").hidden = !rows.length;
      return notice;
    }

    function isChanged(field) {
      if (!field.matches("select")) return field.value !== field.defaultValue;
      const options = [...field.options];
      return !(options.find((option) => option.defaultSelected) ?? options[0]).selected;
    }

    /** Say that the reviewer is signed out, if that ended the stream; their input stays. */
    async function whenLost() {
      const answer = await loopin.fetch(page(), { method: "HEAD" }).catch(() => null);
      if (answer?.status !== 401) return;
      stream.stop();
      signedOut();
      loopin.hold();
    }

    document.addEventListener("moved", () => {
      bar.querySelector(".failure").replaceChildren();
      stream.resume();
    }, { signal });

    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && asked) return withdraw();
      const confirms = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (!confirms || event.repeat || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      if (!asked) ask("approved");
      else if (!button(asked).disabled) send(asked);
    }, { signal });
    desk.addEventListener("ask", (event) => ask(event.detail), { signal });

    // The reason that was chosen can be changed before it is sent.
    form.addEventListener("change", ({ target }) => {
      if (target.name !== "usualReason") return;
      form.elements.reason.value = target.value;
      keep();
    }, { signal });

    form.addEventListener("urgent", () => {
      form.querySelector(".last-minute").textContent = "Less than a minute left to decide.";
    }, { once: true, signal });

    function countUnopened() {
      const count = desk.querySelectorAll("article details.part:not([open])").length;
      const words = count === 1 ? "1 part not opened" : `${count} parts not opened`;
      bar.querySelector(".unopened").textContent = count ? words : "";
    }

    desk.addEventListener("toggle", countUnopened, { capture: true, signal });

    function stop() {
      ended.abort();
      stream.stop();
    }

    asked = bar.querySelector("[data-asked]")?.value ?? null;
    restore();
    countUnopened();
    const stream = loopin.follow(() => `${page()}/events`, { settled: showOutcome }, { whenLost });
    return {
      ask: (decision) => newer ? newer.ask(decision) : ask(decision),
      stop: () => newer ? newer.stop() : stop(),
    };
  };

  const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

  for (const desk of document.querySelectorAll("main > .desk")) loopin.desk(desk);

  // The browser restored this page from its cache.
  addEventListener("pageshow", (shown) => {
    if (shown.persisted) loopin.hold();
  });
}
