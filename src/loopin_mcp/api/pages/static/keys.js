"use strict";

// The keyboard shortcuts of the inbox; inbox.js does what they ask for.
{
  const rows = document.getElementById("rows");
  const isOn = document.getElementById("keys-on");

  const currentRow = () => document.activeElement.closest("#rows > .row");

  function move(step) {
    const all = [...rows.children];
    const place = all.indexOf(currentRow());
    const to = place < 0 ? 0 : Math.min(Math.max(place + step, 0), all.length - 1);
    all[to]?.querySelector("summary").focus();
  }

  function ask(decision) {
    currentRow()?.dispatchEvent(new CustomEvent("ask", { bubbles: true, detail: decision }));
  }

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    a: () => ask("approved"),
    r: () => ask("rejected"),
    "/": () => document.getElementById("search").focus(),
    "?": () => document.getElementById("keys").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const act = Object.hasOwn(KEYS, event.key) && KEYS[event.key];
    // A dialog that was just closed may still have the focus.
    const isTyping = event.target.closest("input, textarea, select, dialog")?.checkVisibility();
    if (!act || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    // People who turned the keys off need a way to turn them on again.
    if (!isOn.checked && event.key !== "?") return;
    event.preventDefault();
    act();
  });

  document.getElementById("keys-line").hidden = false;
  // If the browser stores nothing, the keys are on.
  isOn.checked = localStorage.getItem("loopin-keys") !== "off";
  isOn.addEventListener("change", () => {
    localStorage.setItem("loopin-keys", isOn.checked ? "on" : "off");
  });
}
