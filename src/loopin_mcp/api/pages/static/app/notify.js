"use strict";

// Announces new requests while a page is open, and shows the number of waiting ones in the icon.
loopin.notify = (() => {
  const { home } = document.documentElement.dataset;
  const PAGES = `loopin-notify ${home}`;
  const SOUND = `loopin-sound ${home}`;
  const WORKER = `${home}sw.js`;
  const SCOPE = `${home}sw/`;
  const SHORTEST_GAP_MS = 1_000;
  const icon = document.querySelector('link[rel="icon"]');
  const plainIcon = icon.href;
  // The place of the newest request that is known.
  let last = null;
  let looking = false;
  let lookAgain = false;
  // Ends the turn of this tab.
  let finish = null;

  const root = () =>
    home + (/^~[^/]*\//.exec(location.pathname.slice(home.length))?.[0] ?? "");
  const isOn = (key) => localStorage.getItem(key) === "on";
  const mayShow = () => "Notification" in window && Notification.permission === "granted";
  const isWanted = () => (isOn(PAGES) && mayShow()) || isOn(SOUND);

  function choose(key, on) {
    if (on) localStorage.setItem(key, "on");
    else localStorage.removeItem(key);
    take();
  }

  const registered = async () => navigator.serviceWorker?.getRegistration(SCOPE);
  const subscribed = async () => (await registered())?.pushManager?.getSubscription();

  /** A short tone of two notes; browsers may refuse it before the first click. */
  function beep() {
    const audio = new AudioContext();
    const gain = audio.createGain();
    gain.connect(audio.destination);
    gain.gain.setValueAtTime(.15, audio.currentTime);
    gain.gain.exponentialRampToValueAtTime(.001, audio.currentTime + .5);
    for (const [after, pitch] of [[0, 660], [.15, 880]]) {
      const tone = audio.createOscillator();
      tone.frequency.value = pitch;
      tone.connect(gain);
      tone.start(audio.currentTime + after);
      tone.stop(audio.currentTime + .5);
    }
    setTimeout(() => audio.close(), 1_000);
  }

  async function tell({ id, title, action, agent, urgency }) {
    const heading = urgency === "high" ? `${title}, high urgency` : title;
    const settings = { body: `${action}\n${agent}`, tag: id, icon: `${home}static/app/icon-192.png` };
    const target = `${root()}review/${id}`;
    try {
      const shown = new Notification(heading, settings);
      shown.addEventListener("click", () => {
        shown.close();
        window.open(target, "_blank", "noopener");
      });
    } catch {
      // Android shows only those of a worker.
      const data = { link: new URL(`${home}review/${id}`, location).href };
      await (await registered())?.showNotification(heading, { ...settings, data });
    }
  }

  async function ask() {
    const query = last === null ? "" : `?after=${last}`;
    const answer = await loopin.fetch(`${root()}notifications/waiting${query}`);
    if (answer.status === 401) finish?.();
    if (!answer.ok) return;
    const news = await answer.json();
    const arrived = last === null ? [] : news.new;
    last = Math.max(last ?? 0, news.last);
    if (!arrived.length) return;
    if (isOn(SOUND)) beep();
    // With push on, the worker shows them.
    if (!isOn(PAGES) || !mayShow() || document.hasFocus() || await subscribed()) return;
    for (const each of arrived) await tell(each);
  }

  /** Look for new requests, at most once a second. */
  async function look() {
    lookAgain = true;
    if (looking) return;
    looking = true;
    while (lookAgain) {
      lookAgain = false;
      const gap = new Promise((resolve) => { setTimeout(resolve, SHORTEST_GAP_MS); });
      await ask().catch(() => {});
      await gap;
    }
    looking = false;
  }

  /** Take a turn: of all tabs of this browser, only one announces new requests. */
  function take() {
    if (!isWanted()) return finish?.();
    if (finish) return;
    const leaving = new AbortController();
    finish = () => {
      leaving.abort();
      finish = null;
    };
    const turn = () => new Promise((resolve) => {
      const stream = loopin.follow(
        () => `${root()}inbox/events`, { changed: look }, {
          rests: false,
          isQuiet: true,
          // Perhaps this browser is signed out.
          whenLost: look,
        });
      leaving.signal.addEventListener("abort", () => {
        stream.stop();
        resolve();
      });
    });
    navigator.locks.request(PAGES, { signal: leaving.signal }, turn).catch(() => {});
  }

  /** Remove the notification of a request that was settled or opened. */
  async function forget(id) {
    const shown = await (await registered())?.getNotifications({ tag: id });
    for (const each of shown ?? []) each.close();
  }

  /** The inbox's title begins with the number of its requests. */
  function count() {
    if (location.pathname !== root()) return;
    const number = /^\((\d+)\)/.exec(document.title)?.[1];
    icon.href = number ? `${home}favicon/${number}` : plainIcon;
  }

  document.addEventListener("settled", ({ detail, target }) =>
    forget(detail?.id ?? target.id.replace(/^row-/, "")));
  const opened = /\/(?:review|inbox)\/([\w-]+)$/.exec(location.pathname);
  if (opened) forget(opened[1]);

  new MutationObserver(count).observe(
    document.querySelector("title"), { childList: true, characterData: true, subtree: true });
  count();

  document.addEventListener("moved", take);
  addEventListener("storage", ({ key }) => { if (key === PAGES || key === SOUND) take(); });
  take();
  return { PAGES, SOUND, SCOPE, WORKER, isOn, choose, beep, registered, subscribed };
})();
