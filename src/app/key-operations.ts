/**
 * API keys for the command line: make, list and revoke. The secret is shown once, when the key is made; the store
 * keeps its digest alone.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createSystemChance } from "../core/chance.ts";
import { createSystemClock } from "../core/clock.ts";
import { formatKeyText } from "../core/key-text.ts";
import type { KeyStore, StoredKey } from "../core/ports/key-store.ts";
import type { KeyRole } from "../core/words.ts";
import { openStore } from "../store/open-store.ts";

/** Keys are made beside the service, whether it runs or not: the first one cannot be asked of a service that needs one. */
async function withKeys<Result>(stateDir: string, work: (keys: KeyStore) => Promise<Result>): Promise<Result> {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const clock = createSystemClock();
  const store = openStore({ path: join(stateDir, "understudy.db"), clock });
  try {
    return await work(store.keys);
  } finally {
    await store.close();
    clock.stop();
  }
}

const by = "operator:command-line";

/** What is shown once, and what is kept. */
export interface MadeKey {
  readonly text: string;
  readonly key: StoredKey;
}

export function makeKey(stateDir: string, role: KeyRole, label: string): Promise<MadeKey> {
  const chance = createSystemChance();
  const [id, secret] = [chance.token().slice(0, 12), chance.token()];
  const digest = createHash("sha256").update(secret).digest("hex");
  return withKeys(stateDir, async (keys) => ({
    text: formatKeyText({ id, secret }),
    key: await keys.create({ id, role, label, digest }, by),
  }));
}

export const listKeys = (stateDir: string): Promise<readonly StoredKey[]> => withKeys(stateDir, (keys) => keys.list());

export const revokeKey = (stateDir: string, id: string): Promise<boolean> =>
  withKeys(stateDir, (keys) => keys.revoke(id, by));
