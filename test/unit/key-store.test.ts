import { afterEach, beforeEach, expect, it } from "vitest";
import type { Store } from "../../src/core/ports/event-log.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { openStore } from "../../src/store/open-store.ts";

const key = { id: "0123456789ab", role: "submitter", label: "studio", digest: "d".repeat(64) } as const;
let store: Store;
beforeEach(() => {
  store = openStore({ path: ":memory:", clock: createVirtualClock() });
});
afterEach(() => store.close());

it("finds a key by its id until it is revoked; afterwards it is listed, and the service stays closed", async () => {
  expect([await store.keys.hasAny(), await store.keys.find(key.id)]).toEqual([false, null]);
  await store.keys.create(key, "operator:command-line");
  expect(await store.keys.find(key.id)).toMatchObject(key);
  expect(await store.keys.hasAny()).toBe(true);
  expect(await store.keys.revoke(key.id, "operator:command-line")).toBe(true);
  expect([await store.keys.hasAny(), await store.keys.find(key.id)]).toEqual([true, null]);
  expect(await store.keys.list()).toMatchObject([{ id: key.id, revokedAtMs: expect.any(Number) }]);
});

it("revokes nothing that is not there, and nothing twice", async () => {
  await store.keys.create(key, "operator:command-line");
  const outcomes = [key.id, key.id, "nobody"].map((id) => store.keys.revoke(id, "operator:command-line"));
  expect(await Promise.all(outcomes)).toEqual([true, false, false]);
});

it("writes who made and who revoked it, and never its digest", async () => {
  await store.keys.create(key, "operator:ann");
  await store.keys.revoke(key.id, "operator:bob");
  const rows = await store.events.range(0, 10);
  expect(rows.map(({ kind, actor }) => [kind, actor])).toEqual([
    ["key.created", "operator:ann"],
    ["key.revoked", "operator:bob"],
  ]);
  expect(JSON.stringify(rows)).not.toContain(key.digest);
});
