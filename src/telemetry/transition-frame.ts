/** One event as a machine took it, with all that a pure run of the same machine needs to do the same again. */
export interface RecordedStep {
  /** Steps count from 1; a gap means that rows were lost. */
  readonly number: number;
  readonly atMs: number;
  readonly event: Readonly<Record<string, unknown>>;
  /** What the machine told others while it took the event, by type, in order. */
  readonly reports: readonly string[];
}

/** One transition of one machine, thin enough to be sent for each. */
export interface TransitionFrame {
  /** Path of actor ids below the root, for instance `worker-0/pipeline`. */
  readonly actor: string;
  readonly from: string | null;
  readonly to: string;
  readonly event: string;
  readonly tags: readonly string[];
  /** Only recorded actors have steps. */
  readonly step?: RecordedStep;
}
