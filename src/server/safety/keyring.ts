import { createHash, timingSafeEqual } from "node:crypto";
import type { KeyRole } from "../../core/words.ts";

export interface KeyHolder {
  /** How the store and the event log name whoever holds the key; never the key itself. */
  readonly id: string;
  readonly role: KeyRole;
}

export interface Keyring {
  /** There is at least one key: whoever shows none may use open routes only. */
  isLocked(): boolean;
  find(secret: string): Promise<KeyHolder | null>;
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** The key of the environment, which may do everything; null where there is none. */
export function createKeyring(environmentKey: string | null): Keyring {
  const expected = environmentKey === null ? null : digest(environmentKey);
  return {
    isLocked: () => expected !== null,
    // Digests have one length, so that the comparison takes the same time for every key.
    find: async (secret) =>
      expected !== null && timingSafeEqual(digest(secret), expected) ? { id: "environment", role: "operator" } : null,
  };
}
