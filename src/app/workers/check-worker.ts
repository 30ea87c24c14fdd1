/** Runs the conformance checks of `worker check` against any program, without a service around it. */
import type { PromiseFile } from "../../contract/worker-promises.ts";
import { createSystemClock } from "../../core/clock.ts";
import { MediaError } from "../../core/errors.ts";
import { createModelCatalog } from "../../core/model-catalog.ts";
import { createMediaClient } from "../../media/media-client.ts";
import { subjectOfCommand } from "../../workers/conformance/subject-of-command.ts";
import { type CheckOutcome, runCheck, workerChecks } from "../../workers/conformance/worker-conformance.ts";
import { createWorkerBench } from "../../workers/conformance/worker-harness.ts";
import { ownCommand } from "../../workers/own-command.ts";
import { createProcessRegistry } from "../../workers/process-registry.ts";

export interface WorkerCheckReport {
  /** Called for each check as it ends. */
  readonly onOutcome: (name: string, outcome: CheckOutcome) => void;
  /** Called when the worker has told what it is, before the first check. */
  readonly onSubject: (what: { readonly model: string; readonly profile: string; readonly longSteps: number }) => void;
}

/** Holds any worker to the protocol. Throws WorkerError when it cannot even be started, or renders nothing. */
export async function checkWorker(
  program: readonly string[],
  file: PromiseFile,
  report: WorkerCheckReport,
): Promise<void> {
  const clock = createSystemClock();
  const registry = createProcessRegistry();
  const media = createMediaClient({ clock, onSpawn: (pid) => registry.register({ pid }), onExit: registry.unregister });
  /** Decodes with the service's own decoder, not with what the worker wrote the file with. */
  const decode = async (path: string) => {
    const probe = await media.probe(path);
    if (!probe.plays || probe.isBlack || probe.isConstant)
      throw new MediaError("OUTPUT_INVALID", probe.problem ?? `the clip is ${probe.isBlack ? "black" : "constant"}`);
    const { width, height, frames } = probe;
    return { width, height, frames };
  };
  try {
    const subject = await subjectOfCommand(ownCommand({ program }), file, { clock, catalog: createModelCatalog() });
    report.onSubject({
      model: subject.shortRequest.model,
      profile: subject.profile,
      longSteps: subject.longRequest.steps,
    });
    const bench = createWorkerBench(subject, clock);
    try {
      for (const check of workerChecks) report.onOutcome(check.name, await runCheck(check, bench, decode));
    } finally {
      bench.end();
    }
  } finally {
    await media.stop();
    registry.killAll();
    clock.stop();
  }
}
