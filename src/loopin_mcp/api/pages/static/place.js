"use strict";

// Where this browser is signed in: leads there from a link, which has no session's place.
{
  const { home, place = "", reviewer = "", signedOut } = document.documentElement.dataset;
  const KEY = `loopin-place ${home}`;
  const [kept = "", whose = ""] = (localStorage.getItem(KEY) ?? "").split("\n");
  const rest = () =>
    location.pathname.slice(home.length).replace(/^~[^/]*\//, "") + location.search + location.hash;

  if (place) {
    localStorage.setItem(KEY, `${place}\n${reviewer}`);
  } else if (signedOut !== undefined && location.pathname.startsWith(home + kept)) {
    localStorage.removeItem(KEY);
  } else if (signedOut !== undefined && /^~[\w-]+\/$/.test(kept)) {
    document.documentElement.hidden = true;
    location.replace(home + kept + rest());
  }

  /** Use another place for all that this page has still to do. */
  function move(from, to) {
    for (const name of ["href", "action", "data-events", "data-review"]) {
      for (const element of document.querySelectorAll(`body [${name}^="${from}"]`)) {
        element.setAttribute(name, to + element.getAttribute(name).slice(from.length));
      }
    }
    history.replaceState(null, "", to + rest());
    document.dispatchEvent(new Event("moved"));
  }

  // If the reviewer signs in again in another tab, this page keeps what was typed.
  let at = place;
  addEventListener("storage", ({ key, newValue }) => {
    const [to, by] = (newValue ?? "").split("\n");
    if (key !== KEY || !place || !to || to === at || by !== reviewer) return;
    move(home + at, home + to);
    at = to;
  });
}
