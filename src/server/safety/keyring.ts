/**
 * Finds who holds a key. Without any key the service is open to whoever reaches it, and the first key that is made
 * closes it.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { parseKeyText } from "../../core/key-text.ts";
import type { KeyStore } from "../../core/ports/key-store.ts";
import type { KeyRole } from "../../core/words.ts";

export interface KeyHolder {
  /** How the store and the event log name whoever holds the key; never the key itself. */
  readonly id: string;
  readonly role: KeyRole;
}

export interface Keyring {
  /** Whoever shows no key may use open routes only. */
  isLocked(): Promise<boolean>;
  find(key: string): Promise<KeyHolder | null>;
}

export interface KeyringOptions {
  /** The key of the environment, which may do everything; null where there is none. */
  readonly environmentKey: string | null;
  readonly keys: Pick<KeyStore, "find" | "hasAny">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** The first key that another process creates closes the service within this time; a revoked one is refused at once. */
const lookEveryMs = 1_000;

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Digests have one length, so that the comparison takes the same time for every key. */
export function createKeyring({ environmentKey, keys, clock }: KeyringOptions): Keyring {
  const expected = environmentKey === null ? null : digestOf(environmentKey);
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let hasStored = false;
  const findStored = async (key: string): Promise<KeyHolder | null> => {
    const parts = parseKeyText(key);
    const stored = parts === null ? null : await keys.find(parts.id);
    if (parts === null || stored === null) return null;
    const isRight = timingSafeEqual(digestOf(parts.secret), Buffer.from(stored.digest, "hex"));
    return isRight ? { id: stored.id, role: stored.role } : null;
  };
  return {
    isLocked: async () => {
      if (expected !== null) return true;
      if (clock.nowMs() - lookedAtMs >= lookEveryMs) {
        hasStored = await keys.hasAny();
        lookedAtMs = clock.nowMs();
      }
      return hasStored;
    },
    find: async (key) => {
      if (expected !== null && timingSafeEqual(digestOf(key), expected)) return { id: "environment", role: "operator" };
      return findStored(key);
    },
  };
}
