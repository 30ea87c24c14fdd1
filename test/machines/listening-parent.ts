/** Stands in for the supervisor in tests of one machine: it hears every report and may answer. */
import { type ActorRef, createActor, type EventObject, fromTransition, type Snapshot } from "xstate";

/** A parent that keeps every report and may answer it. */
export interface ListeningParent<Report extends EventObject> {
  readonly ref: ActorRef<Snapshot<unknown>, Report>;
  readonly reports: readonly Report[];
  readonly types: () => readonly string[];
  readonly ofType: <Type extends Report["type"]>(type: Type) => readonly Extract<Report, { type: Type }>[];
  /** Called for each report, after the machine has finished its step. */
  onReport: ((report: Report) => void) | undefined;
}

export function createListeningParent<Report extends EventObject>(): ListeningParent<Report> {
  const reports: Report[] = [];
  const parent: { onReport: ((report: Report) => void) | undefined } = { onReport: undefined };
  const logic = fromTransition((count: number, report: Report) => {
    reports.push(report);
    parent.onReport?.(report);
    return count + 1;
  }, 0);
  const actor = createActor(logic).start();
  return Object.assign(parent, {
    ref: actor as unknown as ActorRef<Snapshot<unknown>, Report>,
    reports,
    types: () => reports.map((report) => report.type),
    ofType: <Type extends Report["type"]>(type: Type) =>
      reports.filter((report): report is Extract<Report, { type: Type }> => report.type === type),
  });
}
