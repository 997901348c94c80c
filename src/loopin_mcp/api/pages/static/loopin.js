"use strict";

// What all pages share: times in the reader's zone, countdowns, and the stream of events.
const loopin = (() => {
  const URGENT_S = 60;
  // The server sends at least a heartbeat every 15 seconds.
  const SILENCE_MS = 40_000;
  const LONGEST_RETRY_MS = 10_000;
  // A stream that ends sooner was none: the server has too many of them.
  const STEADY_MS = 1_000;
  const LOST = "Connection lost. Reconnecting…";
  const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  const LOCAL = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "long", year: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short",
  });
  // Moments are the server's, and the reader's clock may be wrong.
  const skewMs = Date.parse(document.querySelector("main").dataset.now) - Date.now();

  const secondsTo = (moment) => (Date.parse(moment) - Date.now() - skewMs) / 1000;

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** "59 min 12 s left": rounded down, so that it promises no time that is not there. */
  function timeLeft(seconds) {
    const left = Math.max(0, Math.floor(seconds));
    const [days, hours, minutes] =
      [Math.floor(left / 86_400), Math.floor(left / 3_600) % 24, Math.floor(left / 60) % 60];
    if (days) return `${days} d ${hours} h left`;
    if (hours) return `${hours} h ${minutes} min left`;
    return minutes ? `${minutes} min ${left % 60} s left` : `${left} s left`;
  }

  /** "in 59 minutes", "3 days ago": rounded down, as `time_in_words` of the server does. */
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

  /** Bring all times on the page up to now; to be called when a part of it is exchanged. */
  function refresh() {
    document.querySelectorAll("time[datetime]:not([title])").forEach(showLocally);
    document.querySelectorAll("[data-moment]").forEach(
      (element) => write(element, distance(secondsTo(element.dataset.moment))));
    document.querySelectorAll("[data-until]").forEach(countDown);
  }

  /**
   * Call `heard[name]` at each event of that name, until `stop` of what this returns is called.
   *
   * The stream is opened again whenever it breaks; the server then says at once what there is to
   * know. A hidden page `rests` and has none, since a browser has six connections for all its tabs.
   * While there is none the page says `lost`.
   */
  function follow(url, heard, { rests = true, lost = LOST, whenLost = () => {} } = {}) {
    let source = null;
    let timer = null;
    let failures = 0;
    let openedMs = 0;
    let stopped = false;

    function close() {
      clearTimeout(timer);
      source?.close();
      source = null;
    }

    function fail() {
      close();
      failures += 1;
      // One that is mended at the first try is not worth a word.
      if (failures > 1) {
        sayConnection(lost);
        whenLost();
      }
      timer = setTimeout(open, Math.min(LONGEST_RETRY_MS, 250 * 2 ** failures));
    }

    function live() {
      clearTimeout(timer);
      timer = setTimeout(fail, SILENCE_MS);
      if (Date.now() - openedMs > STEADY_MS) failures = 0;
      sayConnection("");
    }

    function open() {
      close();
      if (stopped || (rests && document.hidden)) return;
      source = new EventSource(url);
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
        sayConnection("");
      },
    };
  }

  function sayConnection(text) {
    write(document.getElementById("connection"), text);
  }

  refresh();
  setInterval(refresh, 1000);
  return { refresh, follow, secondsTo };
})();
