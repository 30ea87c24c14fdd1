/**
 * How a kind of row is declared: who writes it, when, for whom, and what it carries. The documents of all events are
 * generated from these declarations.
 */
import type { z } from "zod";

/** Who writes a row, as the documents name it. */
export const writers = {
  store: "the store, in the transaction of what the row tells",
  supervisor: "the supervisor, by its recorder",
  pipeline: "the pipeline of a worker",
  service: "the service's own upkeep",
  operator: "an operator's act, before it is done",
  machines: "each machine, at each of its transitions",
} as const;
export type Writer = keyof typeof writers;

/** `people`: pages and streams tell the row in words · `programs`: kept for audit, replay or metrics, and has no words. */
type Reader = "people" | "programs";

export interface EventDefinition<Schema extends z.ZodObject = z.ZodObject, ReadBy extends Reader = Reader> {
  readonly readBy: ReadBy;
  readonly by: Writer;
  /** When the row is written; one sentence. */
  readonly when: string;
  /** The schema is made when it is first asked for: a start reads rows of few kinds, and pays for no others. */
  readonly schema: () => Schema;
}

function lazily<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A kind that people read: it has words. */
export const told = <Schema extends z.ZodObject>(
  by: Writer,
  when: string,
  schema: () => Schema,
): EventDefinition<Schema, "people"> => ({ readBy: "people", by, when, schema: lazily(schema) });

/** A kind for audit, replay or metrics: pages leave it out. */
export const kept = <Schema extends z.ZodObject>(
  by: Writer,
  when: string,
  schema: () => Schema,
): EventDefinition<Schema, "programs"> => ({ readBy: "programs", by, when, schema: lazily(schema) });
