/** Randomness as a port, so that a simulation draws the same numbers again from its seed. */
export interface Chance {
  /** Uniform in [0, 1). */
  next(): number;
  /** An RFC 9562 version 4 id. */
  uuid(): string;
  /** A secret of 256 bits in hexadecimal. */
  token(): string;
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function createSystemChance(): Chance {
  return {
    next: () => Math.random(),
    uuid: () => crypto.randomUUID(),
    token: () => hex(crypto.getRandomValues(new Uint8Array(32))),
  };
}

/** A deterministic source: mulberry32 by Tommy Ettinger (public domain), good to 2^32 draws. */
export function createSeededChance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => Math.floor(next() * 256));
  return {
    next,
    uuid: () => {
      const raw = bytes(16);
      raw[6] = ((raw[6] ?? 0) & 0x0f) | 0x40;
      raw[8] = ((raw[8] ?? 0) & 0x3f) | 0x80;
      const text = hex(raw);
      return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
    },
    token: () => hex(bytes(32)),
  };
}

/** A whole number in [low, high]. */
export function drawInteger(chance: Chance, low: number, high: number): number {
  return low + Math.floor(chance.next() * (high - low + 1));
}

/** `value` moved by at most ± `ratio`. */
export function jitter(chance: Chance, value: number, ratio: number): number {
  return value * (1 + (chance.next() * 2 - 1) * ratio);
}
