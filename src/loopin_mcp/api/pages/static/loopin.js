"use strict";

// What all pages share: local times, countdowns, and the event stream.
const loopin = (() => {
  const URGENT_S = 60;
  // The server sends at least a heartbeat every 15 seconds.
  const SILENCE_MS = 40_000;
  const LONGEST_RETRY_MS = 10_000;
  // A stream that ends sooner does not count: the server has too many.
  const STEADY_MS = 1_000;
  const PROOF_MS = 5_000;
  // A hand that was about to click or press does so within this time.
  const HOLD_MS = 500;
  const LOST = "Connection lost. Reconnecting…";
  const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  const LOCAL = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "long", year: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short",
  });
  // Times are by the server's clock, and the reader's clock may be wrong.
  const { home, page, secret } = document.documentElement.dataset;
  // Whether the event stream is connected; only the API can have held it open.
  let isLive = false;
  // A form that is sent now that the API has answered.
  let cleared = null;
  const skewMs = Date.parse(document.querySelector("main").dataset.now) - Date.now();

  const secondsTo = (moment) => (Date.parse(moment) - Date.now() - skewMs) / 1000;

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** "59 min 12 s left", rounded down so that it never promises too much time. */
  function timeLeft(seconds) {
    const left = Math.max(0, Math.floor(seconds));
    const [days, hours, minutes] =
      [Math.floor(left / 86_400), Math.floor(left / 3_600) % 24, Math.floor(left / 60) % 60];
    if (days) return `${days} d ${hours} h left`;
    if (hours) return `${hours} h ${minutes} min left`;
    return minutes ? `${minutes} min ${left % 60} s left` : `${left} s left`;
  }

  /** "in 59 minutes", "3 days ago", rounded down like the server's `time_in_words`. */
  function distance(seconds) {
    const whole = Math.floor(Math.abs(seconds));
    const [name, length] = UNITS.find(([, length]) => whole >= 2 * length) ?? ["second", 1];
    const count = Math.floor(whole / length);
    const words = `${count} ${name}${count === 1 ? "" : "s"}`;
    return count === 0 ? "now" : seconds > 0 ? `in ${words}` : `${words} ago`;
  }

  function showLocally(time) {
    time.title = time.textContent;
    time.textContent = LOCAL.format(new Date(time.dateTime)).replace(" at ", ", ");
  }

  function countDown(element) {
    const seconds = secondsTo(element.dataset.until);
    write(element, timeLeft(seconds));
    element.hidden = false;
    if (seconds <= URGENT_S && !element.classList.contains("urgent")) {
      element.classList.add("urgent");
      element.dispatchEvent(new CustomEvent("urgent", { bubbles: true }));
    }
  }

  /** Update all times on the page; call it after a part of the page was replaced. */
  function refresh() {
    document.querySelectorAll("time[datetime]:not([title])").forEach(showLocally);
    document.querySelectorAll("[data-moment]").forEach(
      (element) => write(element, distance(secondsTo(element.dataset.moment))));
    document.querySelectorAll("[data-until]").forEach(countDown);
  }

  /**
   * Whether the program at this address is the API that made this page.
   *
   * Another one may have taken its port. It must not get the place and the cookie of a session, so
   * this asks without them. Without a secret of the page, TLS proves it.
   */
  async function isLoopIn() {
    if (!secret) return true;
    const random = crypto.getRandomValues(new Uint8Array(16));
    const challenge = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const answer = await fetch(`${home}proofs/${page}/${challenge}`, {
      credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", redirect: "error",
      signal: AbortSignal.timeout(PROOF_MS),
    }).then((response) => response.text()).catch(() => null);
    return answer === sha256(secret + challenge);
  }

  /** Like `fetch`, but only if the API answers. */
  async function fetchHere(...request) {
    if (!isLive && !await isLoopIn()) throw new TypeError(LOST);
    return fetch(...request);
  }

  /** Follow a link only if the API answers. */
  async function follows(event) {
    const link = event.target.closest("a[href]");
    if (isLive || !link || event.button > 1) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const isApart = event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.target;
    if (!await isLoopIn()) sayConnection(LOST);
    else if (isApart) window.open(link.href, "_blank", "noopener");
    else location.assign(link.href);
  }

  /** Send a form only if the API answers. */
  async function sends(event) {
    const { target: form, submitter } = event;
    const isCleared = form === cleared;
    cleared = null;
    // A desk asks by itself, and keeps what was typed.
    const isDesk = form.matches(".desk form");
    if (isLive || isCleared || isDesk || form.getAttribute("method") === "dialog") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!await isLoopIn()) return sayConnection(LOST);
    cleared = form;
    form.requestSubmit(submitter);
  }

  document.addEventListener("click", follows, true);
  document.addEventListener("auxclick", follows, true);
  document.addEventListener("submit", sends, true);

  /**
   * Call `heard[name]` at each event of that name, until the result's `stop` is called.
   *
   * A broken stream is opened again, and then the server sends the current state at once. A hidden
   * page `rests` without a stream, since a browser has six connections for all its tabs. While the
   * connection is lost, the page shows the text `lost`. Of a page's streams, all but one are `isQuiet`:
   * nothing is shown of their connection.
   */
  function follow(
    url, heard, { rests = true, lost = LOST, whenLost = () => {}, isQuiet = false } = {}
  ) {
    const say = isQuiet ? () => {} : sayConnection;
    let source = null;
    let timer = null;
    let failures = 0;
    let openedMs = 0;
    let stopped = false;

    function close() {
      clearTimeout(timer);
      // Otherwise the browser would connect again by itself, to any program.
      source?.close();
      source = null;
      if (!isQuiet) isLive = false;
    }

    function fail() {
      close();
      failures += 1;
      // If the first retry succeeds, nothing is shown.
      if (failures > 1) {
        say(lost);
        whenLost();
      }
      timer = setTimeout(open, Math.min(LONGEST_RETRY_MS, 250 * 2 ** failures));
    }

    function live() {
      clearTimeout(timer);
      timer = setTimeout(fail, SILENCE_MS);
      if (Date.now() - openedMs > STEADY_MS) failures = 0;
      if (!isQuiet) isLive = true;
      say("");
    }

    async function open() {
      close();
      if (stopped || (rests && document.hidden)) return;
      const attempt = { close() {} };
      source = attempt;
      const isOurs = await isLoopIn();
      // It was closed or opened again meanwhile.
      if (source !== attempt) return;
      if (!isOurs) return fail();
      source = new EventSource(url());
      openedMs = Date.now();
      source.onerror = fail;
      for (const event of ["open", "beat", ...Object.keys(heard)]) {
        source.addEventListener(event, live);
      }
      for (const [event, act] of Object.entries(heard)) source.addEventListener(event, act);
      timer = setTimeout(fail, SILENCE_MS);
    }

    document.addEventListener("visibilitychange", open);
    window.addEventListener("online", open);
    open();
    return {
      again: open,
      rest: close,
      stop() {
        stopped = true;
        close();
        say("");
      },
      resume() {
        stopped = false;
        open();
      },
    };
  }

  let held = null;

  /** Disable what decides for a moment: it has just moved, or come to where something else was. */
  function hold() {
    clearTimeout(held?.timer);
    const focused = held?.focused ?? document.activeElement;
    const buttons = [...document.querySelectorAll('button[name="decision"]')];
    for (const button of buttons) button.disabled = true;
    held = { focused, timer: setTimeout(release, HOLD_MS, buttons) };
  }

  function release(buttons) {
    for (const button of buttons) button.disabled = false;
    // A button that is disabled loses the focus.
    if (document.activeElement === document.body) held.focused.focus({ preventScroll: true });
    held = null;
  }

  function sayConnection(text) {
    write(document.getElementById("connection"), text);
  }

  refresh();
  setInterval(refresh, 1000);
  // The second click of a double click on a link falls on the page behind it.
  if (document.referrer.startsWith(location.origin)) hold();
  return { refresh, follow, hold, secondsTo, fetch: fetchHere };
})();
