import { expect, it } from "vitest";
import { DrillObserver } from "../../../src/app/drills/observe-drill.ts";
import { createVirtualClock } from "../../../src/core/virtual-clock.ts";
import { classify } from "../../../src/recovery/classify.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { eventOf } from "../../harness/sample-rows.ts";

it("a score card names the code of every fault: of the one that opened the incident, and of those that joined it", async () => {
  const clock = createVirtualClock();
  const store = openStore({ path: ":memory:", clock });
  const faultOf = (code: "WORKER_EXITED" | "GPU_OUT_OF_MEMORY") => ({ ...classify({}), code });
  const observer = new DrillObserver({ clock, store }, { getSnapshot: () => ({}) } as never, false);
  await store.events.append([
    eventOf("incident.opened", { fault: faultOf("WORKER_EXITED") }),
    eventOf("incident.joined", { fault: faultOf("GPU_OUT_OF_MEMORY") }),
    eventOf("rung.ended", { action: "restart_pipeline", outcome: "effective" }),
  ]);
  observer.end();
  expect(observer.score()).toMatchObject({
    recognisedAs: ["WORKER_EXITED", "GPU_OUT_OF_MEMORY"],
    actions: ["restart_pipeline: effective"],
  });
  await store.close();
});
