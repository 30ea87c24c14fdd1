/**
 * Opens all stores of one state directory on one connection, so that a change of one and its rows in another commit
 * together.
 */
import type { NewEvent } from "../core/events.ts";
import type { FactStore, Store } from "../core/ports/event-log.ts";
import { copyDatabase } from "./backup.ts";
import { type Database, type DatabaseOptions, openDatabase } from "./database.ts";
import { createEventLog } from "./event-log.ts";
import { createIncidentStore } from "./incident-store.ts";
import { createJobStore } from "./job-store.ts";
import { createKeyStore } from "./key-store.ts";
import { createWebhookOutbox } from "./webhook-outbox.ts";

export interface StoreOptions extends DatabaseOptions {
  /** These two limits are read at every submission, because an operator may change them while the service runs. */
  readonly maxQueuedJobs?: number;
  readonly maxQueuedJobsPerKey?: number;
  readonly quarantineDeaths?: number;
  readonly maxAttempts?: number;
}

const epochKey = "epoch";

function readFact(database: Database, key: string): unknown {
  const row = database.get<{ value: string }>("select value from facts where key = ?", key);
  return row === undefined ? null : JSON.parse(row.value);
}

function writeFact(database: Database, key: string, value: unknown, events: readonly NewEvent[]): void {
  database.run(
    "insert into facts (key, value) values (?, ?) on conflict (key) do update set value = excluded.value",
    key,
    JSON.stringify(value),
  );
  for (const event of events) database.record(event);
}

function createFactStore(database: Database): FactStore {
  return {
    read: async (key) => database.read(() => readFact(database, key)),
    write: async (key, value, events = []) => database.write(() => writeFact(database, key, value, events)),
    writeTogether: async (facts, events) =>
      database.write(() => {
        for (const [key, value] of Object.entries(facts)) writeFact(database, key, value, []);
        for (const event of events) database.record(event);
      }),
  };
}

/**
 * Opens (and migrates) the database of a state directory.
 * Throws StoreError STORE_SCHEMA_NEWER, STORE_CORRUPT or STORE_UNAVAILABLE.
 */
export function openStore(options: StoreOptions): Store {
  const database = openDatabase(options);
  return {
    jobs: createJobStore(database, {
      get maxQueuedJobs() {
        return options.maxQueuedJobs ?? 1_000;
      },
      get maxQueuedJobsPerKey() {
        return options.maxQueuedJobsPerKey ?? options.maxQueuedJobs ?? 1_000;
      },
      quarantineDeaths: options.quarantineDeaths ?? 2,
      maxAttempts: options.maxAttempts ?? 3,
    }),
    events: createEventLog(database),
    incidents: createIncidentStore(database),
    facts: createFactStore(database),
    keys: createKeyStore(database),
    webhooks: createWebhookOutbox(database),
    nextEpoch: async () =>
      database.write(() => {
        const epoch = Number(readFact(database, epochKey) ?? 0) + 1;
        writeFact(database, epochKey, epoch, [{ kind: "service.started", data: { epoch } }]);
        return epoch;
      }),
    backup: async (targetPath) => copyDatabase(database, targetPath),
    close: async () => database.close(),
  };
}
