"use strict";

// SHA-256 (FIPS 180-4). Browsers keep their own from pages of other machines without TLS.
const sha256 = (() => {
  const turn = (x, by) => (x >>> by) | (x << (32 - by));
  const fraction = (x) => ((x % 1) * 2 ** 32) | 0;
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p)) primes.push(n);
  const ROUNDS = primes.map((p) => fraction(Math.cbrt(p)));
  const START = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));

  function schedule(blocks, start) {
    const words = Array.from({ length: 16 }, (_, i) => blocks.getInt32(start + 4 * i));
    for (let i = 16; i < 64; i += 1) {
      const [x, y] = [words[i - 15], words[i - 2]];
      const [low, high] =
        [turn(x, 7) ^ turn(x, 18) ^ (x >>> 3), turn(y, 17) ^ turn(y, 19) ^ (y >>> 10)];
      words[i] = (words[i - 16] + low + words[i - 7] + high) | 0;
    }
    return words;
  }

  function compress(state, words) {
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i += 1) {
      const first = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g))
        + ROUNDS[i] + words[i];
      const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    return [a, b, c, d, e, f, g, h].map((word, i) => (word + state[i]) | 0);
  }

  /** The digest of a text, in hexadecimal digits. */
  return (text) => {
    const bytes = new TextEncoder().encode(text);
    const blocks = new DataView(new ArrayBuffer((((bytes.length + 8) >> 6) + 1) * 64));
    bytes.forEach((byte, i) => blocks.setUint8(i, byte));
    blocks.setUint8(bytes.length, 0x80);
    blocks.setUint32(blocks.byteLength - 4, bytes.length * 8);
    let state = START;
    for (let start = 0; start < blocks.byteLength; start += 64) {
      state = compress(state, schedule(blocks, start));
    }
    return state.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  };
})();
