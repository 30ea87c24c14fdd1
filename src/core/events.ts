/**
 * Every kind of row that the timeline holds: what it means, who writes it, and what it carries. A kind or a field that is not
 * here does not compile. The schemas are the source of the types, because rows that an older program wrote are read too; each
 * is made when a row of its kind is first read, so that a start does not pay for them.
 */
import type { z } from "zod";
import type { EventDefinition } from "./events/define-event.ts";
import { incidentEvents } from "./events/incident-events.ts";
import { jobEvents } from "./events/job-events.ts";
import { serviceEvents } from "./events/service-events.ts";
import { workerEvents } from "./events/worker-events.ts";

const definitions = { ...jobEvents, ...workerEvents, ...incidentEvents, ...serviceEvents };

type Definitions = typeof definitions;
export type EventKind = keyof Definitions;

/** Kind → what a row of it carries, by the names that are on disk. */
export type EventMap = { readonly [Kind in EventKind]: z.infer<ReturnType<Definitions[Kind]["schema"]>> };

/** Kinds that people read. */
export type ToldKind = {
  [Kind in EventKind]: Definitions[Kind]["readBy"] extends "people" ? Kind : never;
}[EventKind];

export const events: { readonly [Kind in EventKind]: EventDefinition } = definitions;
export const eventKinds = Object.keys(definitions) as readonly EventKind[];

/** Where a row stands, and whom it is about. */
export interface RowHead {
  readonly seq: number;
  readonly atMs: number;
  /** `service`, `client:<key id>`, `operator:<key id>`. */
  readonly actor: string;
  readonly jobId: string | null;
  readonly incidentId: string | null;
  readonly workerId: string | null;
}

/** One row of the only timeline: its kind says what its data holds. */
export type EventRow<Kind extends EventKind = EventKind> = {
  readonly [Each in Kind]: RowHead & { readonly kind: Each; readonly data: Readonly<EventMap[Each]> };
}[Kind];

/** A row that another version wrote, of a kind or with fields that this one does not know. It is shown as it is. */
interface UnreadRow extends RowHead {
  readonly kind: "unread";
  readonly data: { readonly kind: string; readonly fields: Readonly<Record<string, unknown>> };
}

/** What the log gives back. */
export type TimelineRow = EventRow | UnreadRow;

type About = Partial<Pick<RowHead, "actor" | "jobId" | "incidentId" | "workerId">>;

export type NewEvent<Kind extends EventKind = EventKind> = {
  readonly [Each in Kind]: About & { readonly kind: Each; readonly data: Readonly<EventMap[Each]> };
}[Kind];

const isKindOf = <Kind extends EventKind>(kind: string, kinds: readonly Kind[]): kind is Kind =>
  kinds.some((known) => known === kind);

/** Whether a row is of one of these kinds, which then says what its data holds. */
export const isRowOf = <Kind extends EventKind>(
  row: Pick<TimelineRow, "kind">,
  ...kinds: readonly Kind[]
): row is EventRow<Kind> => isKindOf(row.kind, kinds);
