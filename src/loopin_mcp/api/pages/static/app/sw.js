"use strict";

// Shows pushes, and opens their requests. It handles no pages: it neither sees nor answers what they
// load, and it is installed for a path that has none.
{
  const home = new URL("./", location);
  const scope = new URL("sw/", home).href;
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

  /** Another program that had the port installed it for our pages, in place of its own: leave. */
  async function leave() {
    await clients.claim();
    await registration.unregister();
    for (const page of await clients.matchAll()) page.navigate(page.url);
  }

  function show({ id, title, action, agent, urgency, expiresMs, link }) {
    const facts = [agent, expiresMs && `until ${clock.format(expiresMs)}`].filter(Boolean);
    return registration.showNotification(urgency === "high" ? `${title}, high urgency` : title, {
      body: [action, facts.join(" · ")].join("\n").trim(),
      // A reminder takes the place of the first notification.
      tag: id,
      renotify: true,
      icon: new URL("static/app/icon-192.png", home).href,
      badge: new URL("static/app/badge-96.png", home).href,
      data: { link },
    });
  }

  /** The path of a page without the secret place of a session. */
  const plain = (url) => new URL(url).pathname.replace(/\/~[\w-]+\//, "/");

  async function open(link) {
    const path = plain(link);
    const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
    const shown = pages.find((page) => plain(page.url) === path);
    return shown ? shown.focus() : clients.openWindow(new URL(path, home).href);
  }

  addEventListener("install", () => skipWaiting());
  addEventListener("activate", (event) => {
    if (registration.scope !== scope) event.waitUntil(leave());
  });
  addEventListener("push", (event) => event.waitUntil(show(event.data.json())));
  addEventListener("notificationclick", (event) => {
    event.notification.close();
    event.waitUntil(open(event.notification.data.link));
  });
}
