/**
 * What every worker must do, whatever it is written in: the checks as data, run against a real process over its socket.
 * They need no test runner. A check that needs a promise which the subject does not make is `unsupported`.
 */
import type { PromiseName } from "../../contract/worker-promises.ts";
import type { WorkerCheck } from "./check.ts";
import { deviceChecks } from "./device-checks.ts";
import { endingChecks } from "./ending-checks.ts";
import { faultChecks } from "./fault-checks.ts";
import { handshakeChecks } from "./handshake-checks.ts";
import { renderChecks } from "./render-checks.ts";
import type { Decode } from "./subject.ts";
import type { WorkerHarness } from "./worker-harness.ts";

export const workerChecks: readonly WorkerCheck[] = [
  ...handshakeChecks,
  ...renderChecks,
  ...deviceChecks,
  ...faultChecks,
  ...endingChecks,
];

export type CheckOutcome =
  | { readonly kind: "passed" }
  | { readonly kind: "unsupported"; readonly missing: readonly PromiseName[] }
  | { readonly kind: "failed"; readonly cause: unknown };

/** Runs one check and ends the processes that it started. Every check leaves the shared worker as the next one needs it. */
export async function runCheck(check: WorkerCheck, harness: WorkerHarness, decode: Decode): Promise<CheckOutcome> {
  const missing = check.needs.filter((name) => harness.subject.promises[name] === undefined);
  if (missing.length > 0) return { kind: "unsupported", missing };
  try {
    await check.run(harness, decode);
    return { kind: "passed" };
  } catch (cause) {
    return { kind: "failed", cause };
  } finally {
    harness.endOwn();
  }
}
