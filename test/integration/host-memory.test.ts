import { afterEach, expect, it } from "vitest";
import type { IncidentReport } from "../../src/contract/incident-wire.ts";
import { findMemoryLayout, type MemoryGroup, openMemoryGroup } from "../harness/memory-group.ts";
import { rowsSince } from "../harness/rows.ts";
import {
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, inPhase, isReady } from "../harness/tasks.ts";

const refusal = findMemoryLayout() === null ? "this machine lets nobody make a memory cgroup" : null;
const directory = makeStateDir();
let service: RunningService | undefined;
let group: MemoryGroup | undefined;
afterEach(async () => {
  group?.relieve();
  if (service !== undefined) await endService(service);
  await group?.leave();
  directory.remove();
});

it("knows the kernel's out-of-memory killer from a crash, and renders the job all the same", async (context) => {
  if (refusal !== null) return context.skip(refusal);
  // Whatever is started from inside the group is in it from its first moment on.
  group = openMemoryGroup("host-memory");
  group.enter(process.pid);
  service = await startService({ stateDir: directory.path });
  await isReady(service);
  group.release(process.pid);
  const pid = service.worker()?.pid ?? 0;
  const id = await service.submit({ prompt: "a fox [[sim:slow:4@denoise:1]]" });
  await inPhase(service, id, "denoise");
  group.exhaust();
  await until("the kernel has ended the worker", () => !isAlive(pid));
  group.relieve();
  await delivered(service, id);
  const opened = rowsSince(directory.path).find(({ kind }) => kind === "incident.opened");
  const { body } = await service.json<IncidentReport>(`/api/v1/recovery/incidents/${opened?.incidentId}`);
  expect(body.cause).toMatchObject({ fault_class: "hostOomKiller", code: "HOST_OUT_OF_MEMORY", attribution: "host" });
});
