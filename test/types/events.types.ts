/**
 * Mistakes that must not compile: `tsc` fails where one of these lines is right. Nothing here is run.
 */

import { rowFrameSchema } from "../../src/contract/event-frames.ts";
import type { describeEvent } from "../../src/contract/event-words.ts";
import {
  type EventKind,
  type EventMap,
  type EventRow,
  isRowOf,
  type NewEvent,
  type ToldKind,
} from "../../src/core/events.ts";
import type { EventLog } from "../../src/core/ports/event-log.ts";
import type { SupervisorFact } from "../../src/machines/supervisor-types.ts";

declare const log: EventLog;
declare const row: EventRow;
declare const words: { [Kind in ToldKind]: (row: EventRow<Kind>) => string };

export const mistakes = [
  // @ts-expect-error the words know no worker.exitted
  () => ({ ...words, "worker.exited": words["worker.exitted"] }),
  // @ts-expect-error an unknown kind has no words
  (): typeof words => ({ ...words, "worker.danced": () => "It danced." }),
  // @ts-expect-error a kind that people read has no words
  (): typeof words => ({ "worker.killed": words["worker.killed"] }),
  () => {
    const { action, outcome, reason, failure_type, climb, ended_at_ms, evidence } = {} as EventMap["rung.ended"];
    const data = { action, outcome, reason, failure_type, climb, ended_at_ms, evidence };
    // @ts-expect-error the recorder writes started_at_ms
    return log.append([{ kind: "rung.ended", data: { ...data, startd_at_ms: 1 } }]);
  },
  // @ts-expect-error a field of the payload is missing
  () => log.append([{ kind: "job.claimed", data: { fence: 1, attempt: 1, model: "m" } }]),
  // @ts-expect-error a time is a number of milliseconds
  () => log.note({ kind: "cooldown.started", data: { until_ms: "30s" } }),
  // @ts-expect-error there is no such kind
  () => log.note({ kind: "disk.fulll", data: {} }),
  // @ts-expect-error nothing is carried by it
  () => log.note({ kind: "breaker.opened", data: { reason: "faults" } }),
  // @ts-expect-error a metric counts no unknown kind
  () => row.kind === "worker.recycledd",
  // @ts-expect-error a metric reads what the kind does not carry
  () => (row.kind === "incident.closed" ? row.data.opened_ms : 0),
  // @ts-expect-error a list of kinds holds an unknown one
  () => isRowOf(row, "job.succeeded", "job.suceeded"),
  // @ts-expect-error rows are found by known kinds
  () => log.findKinds({ of: { kinds: ["model.prooven"] }, limit: 1 }),
  // @ts-expect-error a route's schema describes known kinds
  () => rowFrameSchema("worker.exitted"),
  // @ts-expect-error a fact that becomes a row carries what the row carries
  (): SupervisorFact => ({ type: "worker.killed", workerId: "w", data: { process: 7 } }),
  // @ts-expect-error a fact carries a field of its row under another name
  (): SupervisorFact => ({ type: "worker.crashLooped", workerId: "w", data: { deathCount: 7 } }),
  // @ts-expect-error the words take a row, not a text
  (describe: typeof describeEvent) => describe("worker.exited"),
  // @ts-expect-error a kind is no text
  (kind: string): EventKind => kind,
  // @ts-expect-error what one kind carries is not what another one does
  (data: EventMap["disk.short"]): NewEvent => ({ kind: "worker.killed", data }),
];
