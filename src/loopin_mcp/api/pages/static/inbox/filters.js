"use strict";

// The filters of the inbox, which this browser remembers until they are cleared.
{
  const KEY = `loopin-filters ${document.documentElement.dataset.home}`;
  // The words of a search are for once.
  const NAMES = ["user", "agent", "urgency"];
  const kept = localStorage.getItem(KEY);
  // Without a query, nobody has chosen anything here yet.
  if (kept && !location.search && !document.documentElement.hidden) {
    document.documentElement.hidden = true;
    location.replace(`?${kept}`);
  }

  function keep(query) {
    const chosen = [...query].filter(([name, value]) => NAMES.includes(name) && value);
    if (chosen.length) localStorage.setItem(KEY, new URLSearchParams(chosen));
    else localStorage.removeItem(KEY);
  }

  // Before the handlers of loopin.js, which may send the form or open the link themselves.
  addEventListener("submit", ({ target }) => {
    if (target.matches(".filters")) keep(new FormData(target));
  }, true);
  addEventListener("click", ({ target }) => {
    const link = target.closest(".whose a, a.clear");
    if (link) keep(new URL(link.href).searchParams);
  }, true);
}
