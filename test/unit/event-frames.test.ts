import { afterEach, beforeEach, expect, it } from "vitest";
import { readFrames } from "../../src/contract/api/api-client.ts";
import { frameSchemas, rowFrameSchema } from "../../src/contract/event-frames.ts";
import { eventKinds } from "../../src/core/events.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { eventOf } from "../harness/sample-rows.ts";
import { createServerWorld, type ServerWorld, typedClientOf } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock());
});
afterEach(() => world.close());

const client = () => typedClientOf(world);

it("the typed client yields each frame with the names of its kind", async () => {
  await world.store.events.append([eventOf("rung.ended", { outcome: "effective" }, { incidentId: "i" })]);
  const answer = await client().events.$get({ query: {}, header: {} });
  const seen: string[] = [];
  for await (const frame of readFrames(answer)) {
    if (frame.event === "snapshot") {
      seen.push(frame.data.mode);
      await world.store.events.append([
        eventOf("worker.exited", { signal: "SIGKILL" }),
        eventOf("rung.ended", { outcome: "effective" }, { incidentId: "i" }),
      ]);
    }
    if (frame.event === "worker.exited") seen.push(frame.data.data.signal ?? "");
    // In memory and on disk the measurement's names are camelCase.
    if (frame.event === "rung.ended") {
      seen.push(`${frame.data.incident_id} ${frame.data.data.evidence?.before.device_free_bytes}`);
      break;
    }
  }
  expect(seen).toEqual(["ready", "SIGKILL", "i 1"]);
});

it("the document names every frame, with the names of fields as they are sent", () => {
  const text = JSON.stringify(frameSchemas());
  for (const kind of eventKinds) expect(text).toContain(`{"title":"${kind}"`);
  for (const name of ["snapshot", "resync", "bye", "mode", "progress"]) expect(text).toContain(`"title":"${name}"`);
  const fault = JSON.stringify(rowFrameSchema("incident.joined"));
  expect(fault).toContain('"fault_class"');
  expect(fault).not.toContain('"faultClass"');
});
