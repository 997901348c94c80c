"use strict";

// Says in words where JSON that people type is faulty, as pages/changes/json_text.py does.
const faultOfJSON = (() => {
  const CONSTANTS = ["true", "false", "null"];
  const WRITTEN = { none: "null", undefined: "null", nil: "null", yes: "true", no: "false" };
  const NO_NUMBERS = ["NaN", "Infinity", "nan", "inf"];
  const QUOTES = "'‘’“”„«»`";
  const WORD = /[\p{L}\p{M}\p{Nl}\p{No}_][\p{L}\p{M}\p{N}_.-]*/uy;
  const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

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

  /** Where a text stops being JSON and why, in words, or null. */
  return (text) => {
    const found = new Scanner(text).scan();
    if (!found) return null;
    const before = text.slice(0, found.at).split("\n");
    const column = [...before.at(-1)].length + 1;
    return `This is not valid JSON. At line ${before.length}, column ${column}, ${found.words}.`;
  };
})();
