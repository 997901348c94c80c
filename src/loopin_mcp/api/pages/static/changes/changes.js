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

  /** Set the words of the approving button, unless another script has it ask first. */
  function name(button, count) {
    const words = count ? `Approve with ${count} change${count > 1 ? "s" : ""}` : "Approve";
    if (/^Approve( with \d+ changes?)?$/.test(button.textContent.trim())) button.textContent = words;
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
    const fault = area.value.trim() ? faultOf(area.value) ?? unknown(area) : null;
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

  const CONSTANTS = ["true", "false", "null"];
  const WRITTEN = { none: "null", undefined: "null", nil: "null", yes: "true", no: "false" };
  const NO_NUMBERS = ["NaN", "Infinity", "nan", "inf"];
  const QUOTES = "'‘’“”„«»`";
  const WORD = /[\p{L}\p{M}\p{Nl}\p{No}_][\p{L}\p{M}\p{N}_.-]*/uy;
  const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

  /** Where a text stops being JSON and why, in words, or null; as pages/changes/json_text.py does. */
  function faultOf(text) {
    const found = new Scanner(text).scan();
    if (!found) return null;
    const before = text.slice(0, found.at).split("\n");
    const column = [...before.at(-1)].length + 1;
    return `This is not valid JSON. At line ${before.length}, column ${column}, ${found.words}.`;
  }

  class Found {
    constructor(at, words) {
      this.at = at;
      this.words = words;
    }
  }

  class Scanner {
    constructor(text) {
      this.text = text;
      this.at = 0;
      this.depth = 0;
    }

    scan() {
      try {
        this.whole();
      } catch (found) {
        if (found instanceof Found) return found;
        if (!(found instanceof RangeError)) throw found;
      }
      return null;
    }

    whole() {
      const first = this.next(), word = this.match(WORD);
      const begins = first && (first === '"' || QUOTES.includes(first) || (word && !CONSTANTS.includes(word)));
      const name = new RegExp(`["${QUOTES}][^"${QUOTES}\n]*["${QUOTES}]|${WORD.source}`, "uy");
      if (begins && /^\s*[:=]/.test(this.text.slice(this.at + (this.match(name) ?? "").length))) {
        this.fail("the braces { } around names and values are missing");
      }
      this.value();
      if (this.next()) this.fail("nothing may follow the end of the object");
    }

    value() {
      if (++this.depth > 64) throw new RangeError("nested too deep");
      const char = this.next();
      if (char === "{") this.members("}", "brace", () => this.member());
      else if (char === "[") this.members("]", "bracket", () => this.value());
      else if (char === '"') this.string();
      else if (/^[-0-9]$/.test(char)) this.number();
      else this.word(char);
      this.depth--;
    }

    members(end, name, member) {
      const opened = this.text.slice(0, this.at).split("\n").length;
      this.at++;
      if (this.next() === end) return void this.at++;
      for (;;) {
        member();
        const char = this.next();
        if (char === end) return void this.at++;
        if (!char) this.fail(`the closing ${name} ${end} is missing (opened in line ${opened})`);
        if ("}]".includes(char)) this.fail(`${end} is expected instead of ${char}`);
        if (char === ";") this.fail("a comma is needed instead of ;");
        if (char !== ",") this.fail(`a comma or ${end} is missing`);
        const comma = this.at++;
        if (this.next() === end) this.fail(`a comma must not stand before ${end}`, comma);
      }
    }

    member() {
      let char = this.next();
      const word = this.match(WORD);
      if (char && QUOTES.includes(char)) {
        this.fail(`names need straight double quotes: " instead of ${char}`);
      } else if (word) {
        this.fail(`names need double quotes: "${cut(word)}"`);
      } else if (/^[0-9]$/.test(char) && /[0-9]\s*,\s*$/.test(this.text.slice(0, this.at))) {
        this.fail("numbers have no commas between their digits");
      } else if (char !== '"') {
        this.fail("a name in double quotes is missing");
      }
      this.string();
      char = this.next();
      if (char === "=") this.fail("a colon is needed instead of =");
      if (char !== ":") this.fail("a colon is missing after the name");
      this.at++;
      this.value();
    }

    string() {
      const start = this.at++;
      for (let char; (char = this.char()) !== '"';) {
        if (char === "\\") {
          const escape = this.match(ESCAPE);
          if (!escape) this.fail("this \\ begins nothing that JSON knows: write \\\\ for one");
          this.at += escape.length;
        } else if (!char || char === "\n") {
          this.fail('the closing quote " of this text is missing (a line break in a text is written \\n)', start);
        } else if (char < " ") {
          this.fail("this character must be written by its code, such as \\t for a tab");
        } else {
          this.at++;
        }
      }
      this.at++;
    }

    number() {
      const number = this.match(NUMBER);
      if (!number) this.fail("digits are missing after the minus sign");
      const start = this.at;
      this.at += number.length;
      const char = this.char();
      if (/^-?0$/.test(number) && /^\p{Nd}$/u.test(char)) this.fail("a number must not begin with 0", start);
      if (char === ".") this.fail("digits are missing after the point");
      if (/^[\p{L}\p{N}_]$/u.test(char)) {
        this.fail("this does not belong to a number: texts need double quotes");
      }
    }

    word(char) {
      const word = this.match(WORD), small = word?.toLowerCase();
      if (CONSTANTS.includes(word)) this.at += word.length;
      else if (NO_NUMBERS.includes(word)) this.fail(`JSON has no ${word}: write a number, null or a text`);
      else if (CONSTANTS.includes(small) || Object.hasOwn(WRITTEN, small ?? "")) {
        this.fail(`write ${WRITTEN[small] ?? small} instead of ${word}`);
      } else if (word) this.fail(`texts need double quotes: "${cut(word)}"`);
      else if (char && QUOTES.includes(char)) this.fail(`texts need straight double quotes: " instead of ${char}`);
      else if (char && "+.".includes(char)) this.fail("a number begins with a digit or a minus sign");
      else if (char && "/#".includes(char)) this.fail("JSON has no comments");
      else if (char && !",}]".includes(char)) this.fail("this character is not expected here");
      else this.fail("a value is missing");
    }

    next() {
      while (this.at < this.text.length && " \t\r\n".includes(this.text[this.at])) this.at++;
      return this.char();
    }

    /** The character here, of which some take two places, or nothing. */
    char() {
      const code = this.text.codePointAt(this.at);
      return code === undefined ? "" : String.fromCodePoint(code);
    }

    match(pattern) {
      pattern.lastIndex = this.at;
      return pattern.exec(this.text)?.[0];
    }

    fail(words, at = this.at) {
      throw new Found(at, words);
    }
  }

  function cut(text) {
    return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
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
          field.closest(".value-field").querySelector(".was").append(" ", resetter(field.name, label));
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
