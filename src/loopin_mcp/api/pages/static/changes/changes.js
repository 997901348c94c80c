"use strict";

// Changing values: what a field was, Reset, how many changes an approval makes, and faults of JSON.
{
  const json = (form) => form.elements.namedItem("modifiedParams");
  const fields = (form) => [...form.querySelectorAll(".value-field :is(input, select, textarea)")];
  const lines = (text) => text.replace(/\r\n?/g, "\n");

  /** The proposed value, as the field would hold it. */
  const proposed = (field) => lines(field.dataset.was ?? field.defaultValue);
  const isChanged = (field) => lines(field.value) !== proposed(field);

  /** Show what is changed, and set the words of the button that approves. */
  function refresh(form) {
    const changed = new Set();
    for (const field of fields(form)) {
      const part = field.closest(".value-field"), was = part.querySelector(".was");
      const differs = isChanged(field);
      part.classList.toggle("changed", differs);
      was.hidden = !differs;
      if (was.querySelector("details[open]")) showWas(field, was.querySelector(".text"));
      if (differs) changed.add(part.querySelector("label").textContent);
    }
    const all = form.querySelector('[data-reset="all"]');
    if (all) all.hidden = changed.size === 0;
    for (const key of keysOf(json(form)?.value ?? "")) changed.add(key);
    const count = form.querySelector(".changed-count");
    const words = changed.size ? `${changed.size} changed` : "";
    if (count && count.textContent !== words) count.textContent = words;
    const approve = form.querySelector("button.approve");
    if (approve && form.querySelector(".changes")) name(approve, changed.size);
    form.dispatchEvent(new CustomEvent("changes", { detail: changed.size, bubbles: true }));
  }

  /** Show the proposed text, and mark the words from the first that differs to the last. */
  function showWas(field, place) {
    const was = proposed(field), now = lines(field.value);
    const shorter = Math.min(was.length, now.length);
    let start = 0, rest = 0;
    while (start < shorter && was[start] === now[start]) start++;
    while (rest < shorter - start && was.at(-1 - rest) === now.at(-1 - rest)) rest++;
    let end = was.length - rest;
    if (start < end) {
      start = was.slice(0, start).search(/\S*$/);
      end += was.slice(end).search(/\s|$/);
    }
    const gone = document.createElement("del");
    gone.textContent = was.slice(start, end);
    place.replaceChildren(was.slice(0, start), gone, was.slice(end));
  }

  /** Set the words of the approving button. */
  function name(button, count) {
    const more = document.createElement("span");
    more.className = "more";
    more.textContent = count ? `with ${count} change${count > 1 ? "s" : ""}` : "";
    const parts = count ? ["Approve ", more] : ["Approve"];
    if (button.querySelector(".more")?.textContent !== more.textContent) button.replaceChildren(...parts);
  }

  function keysOf(text) {
    try {
      const value = JSON.parse(text);
      return value && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : [];
    } catch {
      return [];
    }
  }

  /** Say what is wrong with the JSON, or which of its keys the request does not have. */
  function check(area) {
    const said = area.form.querySelector("[data-fault]");
    const fault = area.value.trim() ? faultOfJSON(area.value) ?? unknown(area) : null;
    said.hidden = !fault;
    if (said.textContent !== (fault ?? "")) said.textContent = fault ?? "";
  }

  function unknown(area) {
    if (!area.dataset.keys) return null;
    const known = JSON.parse(area.dataset.keys);
    const found = keysOf(area.value).find((key) => !known.includes(key));
    if (found === undefined) return null;
    const alike = known.find((key) => isAlike(key, found));
    const meant = alike === undefined ? "" : ` Did you mean ${JSON.stringify(alike)}?`;
    const what = "closed" in area.dataset ? "cannot be changed here" : "is not in the request";
    return `${JSON.stringify(found)} ${what}.${meant}`;
  }

  /** Whether one key becomes the other by at most two insertions, deletions and replacements. */
  function isAlike(one, other) {
    if (Math.abs(one.length - other.length) > 2 || one.length > 60) return false;
    let row = Array.from({ length: other.length + 1 }, (_, place) => place);
    for (let place = 1; place <= one.length; place++) {
      const next = [place];
      for (let column = 1; column <= other.length; column++) {
        const differs = one[place - 1] === other[column - 1] ? 0 : 1;
        next[column] = Math.min(next[column - 1] + 1, row[column] + 1, row[column - 1] + differs);
      }
      row = next;
    }
    return row[other.length] <= 2 && row[other.length] < Math.max(one.length, other.length);
  }

  const formOf = (target) => target.closest?.("form")?.querySelector(".changes") && target.closest("form");

  document.addEventListener("input", ({ target }) => {
    const form = formOf(target);
    if (!form) return;
    refresh(form);
    if (target !== json(form)) return;
    // While somebody types, a fault that was said goes as soon as it is corrected.
    if (!form.querySelector("[data-fault]").hidden) check(target);
  });

  // The text is long, so it is put there once it is asked for.
  document.addEventListener("toggle", ({ target }) => {
    if (target.matches("details.was-text")) refresh(target.closest("form"));
  }, true);

  document.addEventListener("change", ({ target }) => {
    const form = formOf(target);
    if (form && target === json(form)) check(target);
  });

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-reset]");
    if (!button) return;
    const form = button.form;
    const only = button.dataset.reset;
    const reset = fields(form).filter((field) => isChanged(field) && (only === "all" || field.name === only));
    for (const field of reset) field.value = proposed(field);
    reset[0]?.focus();
    reset[0]?.dispatchEvent(new Event("input", { bubbles: true }));
    refresh(form);
  });

  /** A button that resets one field, or all. */
  function resetter(name, about = "") {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.dataset.reset = name;
    button.textContent = name === "all" ? "Reset all" : "Reset";
    if (about) {
      const what = document.createElement("span");
      what.className = "visually-hidden";
      what.textContent = ` ${about}`;
      button.append(what);
    }
    return button;
  }

  function begin(root) {
    for (const part of root.querySelectorAll("form .changes")) {
      const values = part.querySelector(".value-fields");
      if (values && !part.querySelector("[data-reset]")) {
        for (const field of fields(part.closest("form"))) {
          const label = field.closest(".value-field").querySelector("label").textContent;
          const was = field.closest(".value-field").querySelector(".was");
          const reset = resetter(field.name, label);
          // Beside a fold, it is at the right.
          if (was.firstElementChild?.matches("details")) was.prepend(reset);
          else was.append(" ", reset);
        }
        values.after(resetter("all"));
      }
      const area = json(part.closest("form"));
      if (area?.value.trim() && area.getAttribute("aria-invalid") !== "true") check(area);
      refresh(part.closest("form"));
    }
  }

  document.addEventListener("desk", ({ detail }) => begin(detail));
  begin(document);
  addEventListener("pageshow", () => begin(document));
}
