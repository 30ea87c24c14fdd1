/** API keys in SQLite, as digests: what is read out of the database opens nothing. */
import type { KeyStore, NewKey, StoredKey } from "../core/ports/key-store.ts";
import type { KeyRole } from "../core/words.ts";
import type { Database } from "./database.ts";

interface KeyRow {
  readonly id: string;
  readonly role: KeyRole;
  readonly label: string;
  readonly digest: string;
  readonly created_at: number;
  readonly revoked_at: number | null;
}

const toKey = (row: KeyRow): StoredKey => ({
  id: row.id,
  role: row.role,
  label: row.label,
  createdAtMs: row.created_at,
  revokedAtMs: row.revoked_at,
});

function createKey(database: Database, key: NewKey): StoredKey {
  const createdAtMs = database.clock.nowMs();
  database.run(
    "insert into api_keys (id, role, label, digest, created_at) values (?, ?, ?, ?, ?)",
    key.id,
    key.role,
    key.label,
    key.digest,
    createdAtMs,
  );
  return { id: key.id, role: key.role, label: key.label, createdAtMs, revokedAtMs: null };
}

export function createKeyStore(database: Database): KeyStore {
  return {
    create: async (key, by) =>
      database.write(() => {
        database.record({ kind: "key.created", actor: by, data: { key: key.id, role: key.role } });
        return createKey(database, key);
      }),
    find: async (id) =>
      database.read(() => database.get<KeyRow>("select * from api_keys where id = ? and revoked_at is null", id)) ??
      null,
    list: async () =>
      database.read(() => database.all<KeyRow>("select * from api_keys order by created_at, id").map(toKey)),
    revoke: async (id, by) =>
      database.write(() => {
        const revoked = database.get<KeyRow>(
          "update api_keys set revoked_at = ? where id = ? and revoked_at is null returning *",
          database.clock.nowMs(),
          id,
        );
        if (revoked === undefined) return false;
        database.record({ kind: "key.revoked", actor: by, data: { key: id } });
        return true;
      }),
    hasAny: async () => database.read(() => database.get("select 1 from api_keys limit 1")) !== undefined,
  };
}
