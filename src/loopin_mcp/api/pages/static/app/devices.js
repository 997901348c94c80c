"use strict";

// Turns push on for this browser, and the notifications and the sound of open pages.
{
  const { notify } = loopin;
  const box = document.getElementById("push");
  const button = document.getElementById("push-on");
  const pages = document.getElementById("pages-on");
  const sound = document.getElementById("sound-on");
  const isApple = /iPhone|iPad|iPod/.test(navigator.userAgent) ||
    (navigator.userAgent.includes("Macintosh") && navigator.maxTouchPoints > 1);

  // A browser may wait for its push service for minutes.
  const PATIENCE_MS = 30_000;

  /** Show the text for one state of a box, and no other. */
  function say(part, state, more = "") {
    for (const text of part.querySelectorAll("[data-state]")) {
      text.hidden = !text.dataset.state.split(" ").includes(state);
      const place = text.querySelector("[data-more]");
      if (place) place.textContent = text.hidden ? "" : more;
    }
  }

  /** Show the state of push, and the button if it can be turned on. */
  function showPush(state, more) {
    say(box, state, more);
    button.hidden = state !== "off" && state !== "failed";
    button.disabled = false;
  }

  /** Why notifications cannot be asked for here, or null. */
  function obstacle() {
    if (!window.isSecureContext) return "insecure";
    if (!("Notification" in window)) return isApple ? "ios" : "unsupported";
    return Notification.permission === "denied" ? "denied" : null;
  }

  const rowOf = (subscription) =>
    document.querySelector(`[data-device="${sha256(subscription.endpoint)}"]`);

  const bytes = (text) => Uint8Array.from(
    atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

  const isOurs = ({ options }) => {
    const key = String.fromCharCode(...new Uint8Array(options.applicationServerKey));
    return key === String.fromCharCode(...bytes(box.dataset.key));
  };

  /** Show whether this browser gets pushes, and what can be done about it. */
  async function look() {
    const stop = obstacle() ?? ("PushManager" in window ? null : isApple ? "ios" : "unsupported");
    if (stop) return showPush(stop);
    const subscription = await notify.subscribed();
    const row = subscription && rowOf(subscription);
    if (row) row.querySelector(".here").hidden = false;
    showPush(row && isOurs(subscription) ? "on" : "off");
  }

  async function subscribe() {
    const registration = await navigator.serviceWorker.register(
      notify.WORKER, { scope: notify.SCOPE });
    await settled(registration);
    const earlier = await registration.pushManager.getSubscription();
    if (earlier && !isOurs(earlier)) await earlier.unsubscribe();
    const subscription = registration.pushManager.subscribe(
      { userVisibleOnly: true, applicationServerKey: bytes(box.dataset.key) });
    const late = new Promise((_, refuse) => {
      setTimeout(refuse, PATIENCE_MS, new Error("The browser's push service does not answer."));
    });
    return Promise.race([subscription, late]);
  }

  /** Wait until a worker is active, since only then a browser can subscribe. */
  function settled({ active, installing, waiting }) {
    const worker = installing ?? waiting;
    if (active || !worker) return null;
    return new Promise((resolve) => {
      worker.addEventListener("statechange", () => {
        if (worker.state === "activated" || worker.state === "redundant") resolve();
      });
    });
  }

  /** Turn push on, and show the page again with this browser in the list. */
  async function turnOn() {
    button.disabled = true;
    button.textContent = "Turning on…";
    try {
      if (await Notification.requestPermission() !== "granted") return showPush(obstacle() ?? "off");
      const subscription = await subscribe();
      const { endpoint, keys: { p256dh, auth } } = subscription.toJSON();
      const body = new URLSearchParams({ endpoint, p256dh, auth, key: box.dataset.key });
      const answer = await loopin.fetch(box.dataset.subscribe, { method: "POST", body });
      if (answer.status === 204) return location.assign(box.dataset.subscribe);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      showPush("failed", page.querySelector("main p")?.textContent ?? `It answered ${answer.status}.`);
    } catch (error) {
      showPush("failed", error.message);
    } finally {
      button.disabled = false;
      button.textContent = "Turn on notifications";
    }
    return null;
  }

  /** Show whether open pages announce new requests. */
  function lookAtPages() {
    const stop = obstacle();
    pages.disabled = Boolean(stop);
    pages.checked = !stop && notify.isOn(notify.PAGES) && Notification.permission === "granted";
    sound.disabled = false;
    sound.checked = notify.isOn(notify.SOUND);
    say(document.getElementById("pages"), stop ?? "ready");
  }

  async function choosePages() {
    const isAllowed = !pages.checked || await Notification.requestPermission() === "granted";
    notify.choose(notify.PAGES, pages.checked && isAllowed);
    lookAtPages();
  }

  function chooseSound() {
    notify.choose(notify.SOUND, sound.checked);
    if (sound.checked) notify.beep();
  }

  /** This browser's own subscription ends with its row. */
  async function leave({ target }) {
    const subscription = target.matches("[data-remove]") && await notify.subscribed();
    if (subscription && target.closest("[data-device]") === rowOf(subscription)) {
      await subscription.unsubscribe();
    }
  }

  if (box) {
    button.addEventListener("click", turnOn);
    document.addEventListener("submit", leave);
    look();
  }
  pages.addEventListener("change", choosePages);
  sound.addEventListener("change", chooseSound);
  lookAtPages();
}
