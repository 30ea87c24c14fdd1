/**
 * `understudy token …`: makes, lists and revokes API keys in the state directory itself, because the first key must
 * exist before anybody can call the protected API.
 */
import { listKeys, makeKey, revokeKey } from "../app/key-operations.ts";
import type { Config } from "../config/schema.ts";
import { isoOf } from "../core/clock.ts";
import type { KeyRole } from "../core/words.ts";
import type { TokenOrder } from "./orders.ts";
import { say } from "./say.ts";

const mayDo: Readonly<Record<KeyRole, string>> = {
  viewer: "look at everything",
  submitter: "look, submit and cancel",
  operator: "do everything",
};

async function create({ stateDir }: Config, role: KeyRole, label: string): Promise<number> {
  const { text, key } = await makeKey(stateDir, role, label);
  say(text);
  say(`Key ${key.id} may ${mayDo[role]}. It is shown this once. Send it as Authorization: Bearer <key>.`);
  say(
    "From now on the service answers nobody without a key, also after the last one is revoked; --insecure undoes that.",
  );
  say("This command line takes its key from UNDERSTUDY_API_KEY.");
  return 0;
}

async function list({ stateDir }: Config): Promise<number> {
  const keys = await listKeys(stateDir);
  if (keys.length === 0) say("There is no key. Whoever reaches the service may do everything.");
  for (const { id, role, label, createdAtMs, revokedAtMs } of keys) {
    const end = revokedAtMs === null ? "" : `  revoked ${isoOf(revokedAtMs)}`;
    say(`${id}  ${role.padEnd(9)}  ${isoOf(createdAtMs)}${end}${label === "" ? "" : `  ${label}`}`);
  }
  return 0;
}

async function revoke({ stateDir }: Config, id: string): Promise<number> {
  const isRevoked = await revokeKey(stateDir, id);
  say(
    isRevoked
      ? `Key ${id} opens nothing any more.`
      : `There is no key ${id} that could be revoked; understudy token list shows them.`,
  );
  return isRevoked ? 0 : 1;
}

/** Carries out what was asked about the keys of the state directory, while a service runs on it or not. */
export function runToken(config: Config, { verb, keyId, role, label }: TokenOrder): Promise<number> {
  if (verb === "create") return create(config, role, label);
  return verb === "list" ? list(config) : revoke(config, keyId);
}
