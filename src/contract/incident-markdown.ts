/** An incident as a page that a person pastes into a ticket. */
import { formatBytes } from "../core/units.ts";
import type { IncidentReport } from "./incident-wire.ts";
import { failureTypeDescriptions } from "./recovery-texts.ts";

/** `0.4 s`, `12.0 s`, `3 min 20 s`, `2 h 5 min`. */
export function spanOf(spanMs: number): string {
  const seconds = Math.abs(spanMs) / 1_000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

const relative = (afterMs: number): string => `${afterMs < 0 ? "−" : "+"}${spanOf(afterMs)}`;
/** Text of others (workers, systems) must not become markup, nor break a table. */
const cell = (text: string): string =>
  text.replaceAll(/[\\`*[\]<>|#]/g, (mark) => `\\${mark}`).replaceAll(/\s*\n\s*/g, " ");
const words = (name: string): string => name.replaceAll("_", " ");
const plural = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? "" : "s"}`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [
    `| ${head.join(" | ")} |`,
    `|${head.map(() => "---|").join("")}`,
    ...rows.map((row) => `| ${row.map(cell).join(" | ")} |`),
  ];
}

type Measure = { readonly device_free_bytes?: number | null; readonly worker_allocated_bytes?: number | null };

function change(name: string, before: number | null | undefined, after: number | null | undefined): string[] {
  return before == null || after == null ? [] : [`${name} ${formatBytes(before)} → ${formatBytes(after)}`];
}

function measuredOf({ evidence }: IncidentReport["rungs"][number]): string {
  if (evidence === undefined) return "";
  const { before, after } = evidence as { readonly before?: Measure; readonly after?: Measure };
  return [
    ...change("free on the device", before?.device_free_bytes, after?.device_free_bytes),
    ...change("held by the worker", before?.worker_allocated_bytes, after?.worker_allocated_bytes),
  ].join("; ");
}

function whatHappened(report: IncidentReport): string[] {
  const { detected_after_ms: detectedMs, answers, closed_at, worker_id } = report;
  const lines = [
    `- Opened ${report.opened_at}${worker_id === undefined ? "" : ` on ${cell(worker_id)}`}${report.origin === undefined ? "" : ` (began as ${cell(report.origin)})`}.`,
    closed_at === undefined
      ? `- Open for ${spanOf(report.open_for_ms)}.`
      : `- Closed ${closed_at}, after ${spanOf(report.open_for_ms)}.`,
  ];
  if (detectedMs !== undefined) lines.push(`- Noticed ${spanOf(detectedMs)} after its first sign.`);
  if (answers.queued_after_ms !== undefined)
    lines.push(
      `- The job that was interrupted had its place in the queue again after ${spanOf(answers.queued_after_ms)}.`,
    );
  if (answers.stood_in_after_ms !== undefined)
    lines.push(`- A labelled stand-in could be watched after ${spanOf(answers.stood_in_after_ms)}.`);
  if (answers.real_after_ms !== undefined)
    lines.push(`- The first real result came after ${spanOf(answers.real_after_ms)}.`);
  return lines;
}

function shownValue(name: string, value: unknown): string {
  if (typeof value === "number" && name.endsWith("_bytes")) return formatBytes(value);
  if (typeof value === "number" && name.endsWith("_ms")) return spanOf(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** One line for each thing that was observed; what is inside something else is named after it. */
function evidenceLines(evidence: object, within: string, known: string | undefined): string[] {
  return Object.entries(evidence).flatMap(([name, value]: [string, unknown]) => {
    const isList = Array.isArray(value);
    if (value === null || value === known || (isList && value.length === 0)) return [];
    if (typeof value === "object" && !isList) return evidenceLines(value, `${within}${words(name)}, `, known);
    return [`  - ${within}${words(name)}: ${cell(shownValue(name, value))}`];
  });
}

function cause({ cause: fault, joined, failure_type }: IncidentReport): string[] {
  const lines = [
    `- **${cell(fault.code ?? "unknown")}**: ${cell(fault.message ?? failureTypeDescriptions[failure_type])}`,
  ];
  if (fault.attribution !== undefined)
    lines.push(
      `- Attributed to: ${cell(fault.attribution)}${fault.confidence === undefined ? "" : ` (confidence ${fault.confidence})`}.`,
    );
  if (fault.decided_by !== undefined) lines.push(`- Decided by: ${cell(fault.decided_by)}`);
  if (fault.operator_action !== undefined) lines.push(`- **You have to:** ${cell(fault.operator_action)}`);
  const evidence = evidenceLines(fault.evidence, "", fault.message);
  if (evidence.length > 0) lines.push("- Evidence:", ...evidence);
  for (const { at, cause: later } of joined)
    lines.push(`- Joined at ${at}: ${cell(later.code ?? "unknown")}, ${cell(later.message ?? "no message")}`);
  return lines;
}

function tried({ rungs, canaries }: IncidentReport): string[] {
  const tests = canaries.map(
    ({ at, passed, reason }) =>
      `- Test render at ${at}: ${passed ? "passed" : "failed"}${reason === undefined ? "" : `, ${cell(reason)}`}`,
  );
  const below = tests.length === 0 ? [] : ["", ...tests];
  if (rungs.length === 0) return ["No step was needed or possible.", ...below];
  const rows = rungs.map((rung) => [
    words(rung.action),
    rung.outcome,
    spanOf(rung.took_ms),
    rung.reason,
    measuredOf(rung),
  ]);
  return [...table(["step", "outcome", "took", "why", "measured"], rows), ...below];
}

function jobs({ jobs: touched, job_count: count }: IncidentReport): string[] {
  if (count === 0) return ["None."];
  const rows = touched.map((job) => [
    job.id,
    job.because,
    job.state,
    job.served_by === "stand_in" ? "stand-in" : (job.served_by ?? ""),
    job.error ?? "",
  ]);
  const rest = count > touched.length ? ["", `${count - touched.length} more are not listed.`] : [];
  return [...table(["job", "touched by", "is now", "served by", "error"], rows), ...rest];
}

function timeline({ timeline: entries, timeline_truncated: isTruncated }: IncidentReport): string[] {
  const rows = entries.map((entry) => [
    relative(entry.after_ms),
    entry.text ?? entry.kind,
    entry.job_id?.slice(0, 8) ?? "",
    entry.actor === "service" ? "" : entry.actor,
  ]);
  return [
    ...table(["when", "what", "job", "by"], rows),
    ...(isTruncated ? ["", "The timeline is longer than this; the rest is in the event log."] : []),
  ];
}

export function toIncidentMarkdown(report: IncidentReport): string {
  return [
    `# Incident ${report.id}: ${words(report.failure_type)}, ${report.status}`,
    "",
    ...(report.simulated ? ["SIMULATED: worker and card are simulated.", ""] : []),
    `${report.closed_at === undefined ? "Open for" : "Over after"} ${spanOf(report.open_for_ms)}. ${plural(report.rungs.length, "step")}, ${plural(report.job_count, "job")} touched.`,
    "",
    "## What happened",
    ...whatHappened(report),
    "",
    "## Cause",
    ...cause(report),
    "",
    "## What was tried",
    ...tried(report),
    "",
    "## How it ended",
    cell(report.ending),
    "",
    "## Jobs",
    ...jobs(report),
    "",
    "## Timeline",
    ...timeline(report),
    "",
  ].join("\n");
}
