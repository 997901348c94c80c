"use strict";

// The keys of a page: `loopin.keys` adds what they do. `a` and `r` ask the open request.
loopin.keys = (() => {
  const isOn = document.getElementById("keys-on");
  // A settled request has no keys.
  if (!isOn) return () => {};

  function ask(decision) {
    const desk = document.querySelector(".desk");
    desk?.dispatchEvent(new CustomEvent("ask", { detail: decision }));
    return Boolean(desk);
  }

  // Each returns false if there is nothing to do, so that the key keeps its own meaning.
  const acts = {
    a: () => ask("approved"),
    r: () => ask("rejected"),
    "?": () => document.getElementById("keys").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const act = Object.hasOwn(acts, event.key) && acts[event.key];
    // A dialog that was just closed may still have the focus.
    const isTyping = event.target.closest(
      "input:not([type='checkbox'], [type='radio']), textarea, select, dialog")?.checkVisibility();
    if (!act || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    // People who turned the letters off need a way to turn them on again.
    if (!isOn.checked && event.key.length === 1 && event.key !== "?") return;
    if (act(event) !== false) event.preventDefault();
  });

  // If the browser stores nothing, the keys are on.
  isOn.checked = localStorage.getItem("loopin-keys") !== "off";
  isOn.addEventListener("change", () => {
    localStorage.setItem("loopin-keys", isOn.checked ? "on" : "off");
  });

  return (more) => Object.assign(acts, more);
})();
