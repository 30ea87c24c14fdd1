/** Reads durable facts from outside, for commands that judge the machine while a service may be running. */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { toStoreError } from "./database.ts";

const busyMs = 5_000;

/** Reads the facts and writes nothing. Empty where there is no database yet. Throws StoreError. */
export function readFacts(databasePath: string): ReadonlyMap<string, unknown> {
  if (!existsSync(databasePath)) return new Map();
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(databasePath, { readOnly: true, timeout: busyMs });
    const rows = database.prepare("select key, value from facts").all() as { key: string; value: string }[];
    return new Map(rows.map(({ key, value }) => [key, JSON.parse(value)]));
  } catch (thrown) {
    throw toStoreError(thrown);
  } finally {
    database?.close();
  }
}
