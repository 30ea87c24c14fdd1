import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StoreError } from "../../src/core/errors.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import { dayMs } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { openDatabase, toStoreError } from "../../src/store/database.ts";
import { schemaVersion } from "../../src/store/migrations.ts";
import { openStore } from "../../src/store/open-store.ts";
import { makeJob } from "./job-store-world.ts";

const writerPath = new URL("../fixtures/store-writer.ts", import.meta.url).pathname;

let directory: string;
let path: string;
let clock: VirtualClock;
const opened: Store[] = [];

const open = (at = path): Store => {
  const store = openStore({ path: at, clock, maxQueuedJobs: 1_000_000 });
  opened.push(store);
  return store;
};
const jobOf = () => makeJob(clock.nowMs() + dayMs);
const thrownBy = (work: () => unknown): unknown => {
  try {
    work();
  } catch (thrown) {
    return thrown;
  }
  return null;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "understudy-test-"));
  path = join(directory, "understudy.db");
  clock = createVirtualClock();
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(directory, { recursive: true, force: true });
});

describe("opening a database", () => {
  it("makes one with the current schema and a write-ahead log, and opens it again as it was", async () => {
    const store = open();
    const job = jobOf();
    await store.jobs.submit(job);
    await store.close();
    const raw = new DatabaseSync(path);
    expect(raw.prepare("pragma user_version").get()).toEqual({ user_version: schemaVersion });
    expect(raw.prepare("pragma journal_mode").get()).toEqual({ journal_mode: "wal" });
    raw.close();
    expect(await open().jobs.get(job.id)).toMatchObject({ id: job.id, spec: job.spec });
  });

  it("waits for the disk at every commit", () => {
    const database = openDatabase({ path, clock });
    expect(database.get("pragma synchronous")).toEqual({ synchronous: 2 });
    database.close();
  });

  it("refuses one of a newer schema with a sentence, and leaves it as it is", () => {
    const raw = new DatabaseSync(path);
    raw.exec(`pragma user_version = ${schemaVersion + 1}`);
    const refused = thrownBy(() => open());
    expect(refused).toBeInstanceOf(StoreError);
    expect(refused).toMatchObject({ code: "STORE_SCHEMA_NEWER" });
    expect((refused as StoreError).message).toContain(`schema ${schemaVersion + 1}`);
    expect(raw.prepare("select count(*) as count from sqlite_schema").get()).toEqual({ count: 0 });
    raw.close();
  });

  it("says that a file is damaged when it is no database", () => {
    writeFileSync(path, "this is not a database, whatever its name says. ".repeat(200));
    expect(thrownBy(() => open())).toMatchObject({ name: "StoreError", code: "STORE_CORRUPT", retryable: false });
  });

  it("says that it cannot be opened where there is no directory", () => {
    const refused = thrownBy(() => open(join(directory, "absent", "understudy.db")));
    expect(refused).toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true, cause: expect.any(Error) });
  });
});

describe("a database that cannot write", () => {
  it("refuses for now while another program holds it, keeps nothing of what was refused, and goes on afterwards", async () => {
    const store = open();
    const other = new DatabaseSync(path);
    other.exec("begin immediate");
    const refused = jobOf();
    await expect(store.jobs.submit(refused)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
    other.exec("rollback");
    other.close();
    expect(await store.jobs.get(refused.id)).toBeNull();
    expect(await store.jobs.submit(refused)).toMatchObject({ kind: "created" });
  });

  it("is unavailable, not damaged, when its disk is full", () => {
    const raw = new DatabaseSync(path);
    raw.exec("create table filler (bytes blob); pragma max_page_count = 8");
    const thrown = thrownBy(() => raw.exec("insert into filler values (zeroblob(1000000))"));
    expect(toStoreError(thrown)).toMatchObject({
      name: "StoreError",
      code: "STORE_UNAVAILABLE",
      retryable: true,
      cause: thrown,
    });
    raw.close();
  });

  it("uses the room that is made for it when the disk is full, and says so in the same transaction", () => {
    let pageCount = 0;
    let askedCount = 0;
    const makeRoom = (): boolean => {
      askedCount += 1;
      // Lifting the limit is what a released ballast does to a real disk.
      if (askedCount === 1) database.get("pragma max_page_count = 1000000");
      return askedCount === 1;
    };
    const database = openDatabase({ path, clock, makeRoom });
    const kinds: string[] = [];
    database.subscribe((rows) => kinds.push(...rows.map((row) => row.kind)));
    database.run("create table filler (bytes blob)");
    const fill = (): void =>
      database.write(() => {
        database.record({ kind: "recovery.reset", data: {} });
        database.run("insert into filler values (zeroblob(1000000))");
      });
    pageCount = database.get<{ page_count: number }>("pragma page_count")?.page_count ?? 0;
    database.get(`pragma max_page_count = ${pageCount + 1}`);
    fill();
    expect([askedCount, kinds]).toEqual([1, ["disk.ballastReleased", "recovery.reset"]]);
    pageCount = database.get<{ page_count: number }>("pragma page_count")?.page_count ?? 0;
    database.get(`pragma max_page_count = ${pageCount + 1}`);
    expect(thrownBy(fill)).toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
    expect([askedCount, kinds, database.get("select count(*) as count from filler")]).toEqual([
      2,
      ["disk.ballastReleased", "recovery.reset"],
      { count: 1 },
    ]);
    database.close();
  });

  it("a defect of this program is not blamed on the store", () => {
    const raw = new DatabaseSync(path);
    const thrown = thrownBy(() => raw.exec("select * from nowhere"));
    expect(thrown).toBeInstanceOf(Error);
    expect(toStoreError(thrown)).toBe(thrown);
    raw.close();
  });
});

describe("submissions of one moment", () => {
  it("share one transaction", async () => {
    const store = open();
    const batches: number[] = [];
    store.events.subscribe((rows) => batches.push(rows.length));
    await Promise.all(Array.from({ length: 16 }, () => store.jobs.submit(jobOf())));
    expect(batches).toEqual([16]);
  });

  it("are written when the store is closed before their turn", async () => {
    const store = open();
    const job = jobOf();
    const answer = store.jobs.submit(job);
    await store.close();
    expect(await answer).toMatchObject({ kind: "created" });
    expect(await open().jobs.get(job.id)).not.toBeNull();
  });

  it("are refused after it", async () => {
    const store = open();
    await store.close();
    await store.close();
    await expect(store.jobs.submit(jobOf())).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(store.jobs.counts()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});

describe("durability", () => {
  it("everything that was acknowledged is there after SIGKILL", async () => {
    const child = spawn(process.execPath, [writerPath, path], { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.length > 200 * 37) child.kill("SIGKILL");
    });
    await ended;
    const acknowledged = text.split("\n").slice(0, -1);
    expect(acknowledged.length).toBeGreaterThanOrEqual(200);
    const store = open();
    const kept = new Set((await store.jobs.list({ limit: 1_000_000 })).jobs.map(({ id }) => id));
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
    const submitted = (await store.events.range(0, 1_000_000)).map(({ jobId }) => jobId);
    expect(new Set(submitted)).toEqual(kept);
  });
});

describe("a backup", () => {
  it("is a whole database of one moment, taken while others write", async () => {
    const store = open();
    const before = jobOf();
    await store.jobs.submit(before);
    const target = join(directory, "copy.db");
    const late = jobOf();
    const [, answer] = await Promise.all([store.backup(target), store.jobs.submit(late)]);
    expect(answer).toMatchObject({ kind: "created" });
    const raw = new DatabaseSync(target);
    expect(raw.prepare("pragma integrity_check").get()).toEqual({ integrity_check: "ok" });
    raw.close();
    const copy = open(target);
    expect(await copy.jobs.get(before.id)).toEqual(await store.jobs.get(before.id));
    expect(await copy.jobs.get(late.id)).toBeNull();
    expect(readdirSync(directory).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("takes the place of an older one only when it is whole", async () => {
    const store = open();
    const target = join(directory, "copy.db");
    writeFileSync(target, "the older one");
    writeFileSync(`${target}.partial`, "left by a crash");
    const job = jobOf();
    await store.jobs.submit(job);
    await store.backup(target);
    expect(await open(target).jobs.get(job.id)).not.toBeNull();
  });

  it("that cannot be written says so and leaves nothing behind", async () => {
    const target = join(directory, "absent", "copy.db");
    await expect(open().backup(target)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
    expect(existsSync(`${target}.partial`)).toBe(false);
  });
});
