import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { openStore } from "../../src/store/open-store.ts";
import { describeJobStore } from "./job-store.contract.ts";

describeJobStore("in memory", (limits) => {
  const clock = createVirtualClock();
  const store = openStore({ path: ":memory:", clock, ...limits });
  return { store, clock, close: () => store.close() };
});

describeJobStore("in a file", (limits) => {
  const clock = createVirtualClock();
  const directory = mkdtempSync(join(tmpdir(), "understudy-test-"));
  const store = openStore({ path: join(directory, "understudy.db"), clock, ...limits });
  const close = async (): Promise<void> => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { store, clock, close };
});
