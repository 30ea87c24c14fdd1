/**
 * The effects of the worker machine: start, adopt, connect, watch and stop one process. A process that is replaced is
 * seen to end before its successor starts, so that two never share the card.
 */
import { fromCallback, fromPromise } from "xstate";
import type { Config } from "../../config/schema.ts";
import type { TimerHandle } from "../../core/clock.ts";
import { messageOf, WorkerError } from "../../core/errors.ts";
import type { Evidence } from "../../core/fault.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { MachineEvidence } from "../../core/ports/telemetry-probe.ts";
import type { ProcessRef, WorkerHost } from "../../core/ports/worker.ts";
import { withoutNulls } from "../../core/present.ts";
import type { LoadProfile } from "../../core/words.ts";
import type { ConnectedWorker, StopShape, WorkerEvent } from "../../machines/worker-types.ts";
import { unknownLimits } from "../../recovery/step-history.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { createSilenceWatchdog } from "../../workers/silence-watchdog.ts";
import { type StopLimits, stopWorker } from "../../workers/stop-ladder.ts";
import { createOutsideEnds, type EvidenceNeeds, followMachine, type OutsideEnds } from "./exit-evidence.ts";
import type { WorkerLinks } from "./worker-links.ts";

export interface WorkerNeeds extends EvidenceNeeds {
  readonly host: WorkerHost;
  readonly links: WorkerLinks;
  readonly logger: Pick<Logger, "info" | "warn">;
  readonly store: Pick<Store, "jobs">;
  readonly config: Pick<Config, "leaseMs" | "stop" | "supervision">;
  /** The epoch of this supervisor; an attempt that is adopted belongs to it from then on. */
  readonly epoch: number;
  readonly hostMemory: { measure(): Promise<unknown> };
  /** In which memory mode an adopted worker holds its model. */
  readonly profiles: {
    set(workerId: string, profile: LoadProfile, why: string): void;
    reset(workerId: string, why: string): void;
  };
}

const adoptLimitMs = 10_000;

/** Connects, and takes over the attempt in hand when the worker has one that nobody has claimed since. */
async function connect(parts: WorkerNeeds, ref: ProcessRef, signal: AbortSignal): Promise<ConnectedWorker> {
  const client = await parts.host.connect(ref, signal);
  const attach = await client.attach(signal);
  // Every supervisor would give a render that hangs its whole stall limit again, and one that restarts often never reach it.
  if ((attach.standstillMs ?? 0) >= unknownLimits.stallMs) {
    client.close();
    throw new WorkerError("WORKER_STALLED", `its render has stood still for ${attach.standstillMs} ms`, {
      retryable: true,
    });
  }
  parts.links.open({ workerId: ref.workerId, ref, client });
  // What it carries is asked by every submission from now on, also while a model's files are still fetched.
  if (!client.identity.isSimulated) await parts.hostMemory.measure();
  // What made the former process leaner is gone with it; a process that was taken over holds what it holds.
  if (attach.profile === null) parts.profiles.reset(ref.workerId, "a new process began");
  else parts.profiles.set(ref.workerId, attach.profile, "the worker was taken over so");
  if (attach.jobId === null || attach.fence === null) return { ref, identity: client.identity, attach, lease: null };
  const adopted = await parts.store.jobs.adopt(attach.jobId, attach.fence, parts.epoch, parts.config.leaseMs);
  if (adopted !== "stale") return { ref, identity: client.identity, attach, lease: adopted };
  // Its job ended, or belongs to somebody else by now: the device is freed, and a kept result is dropped.
  await client.cancel(attach.jobId, attach.fence, signal);
  await client.acknowledge(attach.jobId, attach.fence);
  return { ref, identity: client.identity, attach, lease: null };
}

/** How a process ended is told by its watch, with the evidence: a handshake that notices the end first leaves it to it. */
async function shakeHands(parts: WorkerNeeds, ref: ProcessRef, signal: AbortSignal): Promise<ConnectedWorker> {
  try {
    return await connect(parts, ref, signal);
  } catch (thrown) {
    if (!parts.host.isGone(ref)) throw thrown;
    return await new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
    );
  }
}

const stopShapes = (parts: WorkerNeeds): Readonly<Record<StopShape, StopLimits>> => ({
  ladder: parts.config.stop,
  silent: { requestMs: 0, termMs: Math.min(5_000, parts.config.stop.termMs), killMs: parts.config.stop.killMs },
  quick: {
    requestMs: Math.min(1_000, parts.config.stop.requestMs),
    termMs: Math.min(2_000, parts.config.stop.termMs),
    killMs: parts.config.stop.killMs,
  },
});

async function stopProcess(parts: WorkerNeeds, ref: ProcessRef, shape: StopShape, reason: string): Promise<void> {
  const report = await stopWorker(
    parts.host,
    parts.links.clientOf(ref.workerId),
    ref,
    parts.clock,
    stopShapes(parts)[shape],
    reason,
  );
  parts.links.close(ref.workerId);
  await parts.host.forget(ref.workerId);
  parts.logger.info({
    event: "worker.processEnded",
    workerId: ref.workerId,
    pid: ref.pid,
    how: report.how,
    tookMs: report.tookMs,
  });
}

/** Takes up a living process of an earlier supervisor; one that does not answer is killed, because nobody else will. */
async function adopt(parts: WorkerNeeds, workerId: string): Promise<ConnectedWorker | null> {
  const ref = await parts.host.findRecorded(workerId);
  if (ref === null) return null;
  const giveUp = new AbortController();
  const timer = parts.clock.setTimer(() => giveUp.abort(new Error("the recorded worker did not answer")), adoptLimitMs);
  try {
    // A process that was stopped cannot answer.
    if (parts.host.stateLetter(ref) === "T") parts.host.signal(ref, "SIGCONT");
    return await connect(parts, ref, giveUp.signal);
  } catch (thrown) {
    parts.logger.warn({
      event: "worker.notAdopted",
      workerId,
      pid: ref.pid,
      message: thrown instanceof Error ? thrown.message : String(thrown),
    });
    await stopProcess(parts, ref, "silent", "it could not be adopted");
    return null;
  } finally {
    parts.clock.clearTimer(timer);
  }
}

/** A person installs and edits in minutes, so a look now and then is soon enough, and costs nothing. */
const lookAtProgramEveryMs = 2_000;

function watchProgram({ host, clock }: WorkerNeeds, workerId: string, send: (event: WorkerEvent) => void): () => void {
  let timer: TimerHandle | undefined;
  const look = (): void => {
    if (host.hasProgramChanged(workerId)) send({ type: "program.changed" });
    else timer = clock.setTimer(look, lookAtProgramEveryMs);
  };
  timer = clock.setTimer(look, lookAtProgramEveryMs);
  return () => clock.clearTimer(timer);
}

/** One process a worker: whatever is still recorded and alive (it answered nobody) ends before another one starts. */
async function spawn(parts: WorkerNeeds, workerId: string): Promise<ProcessRef> {
  const leftover = await parts.host.findRecorded(workerId);
  if (leftover !== null) await stopProcess(parts, leftover, "silent", "a new process takes its place");
  const ref = await parts.host.spawn(workerId);
  parts.links.noteSpawned(workerId, parts.clock.nowMs());
  return ref;
}

function watch(parts: WorkerNeeds, ends: OutsideEnds, ref: ProcessRef, send: (event: WorkerEvent) => void): () => void {
  const { supervision } = parts.config;
  const watchdog = createSilenceWatchdog({
    clock: parts.clock,
    limitMs: supervision.loadingSilenceMs,
    onSilent: (silentForMs) =>
      send({
        type: "worker.fellSilent",
        silentForMs,
        processState: parts.host.stateLetter(ref),
        mainThreadIdleMs: idleMs,
      }),
    onHeard: () => undefined,
  });
  let idleMs: number | null = null;
  let tellFromMs = supervision.stillnessMs;
  // The standstill is told again as it lasts: what was no matter under a job is one after it.
  const noteIdle = (mainThreadIdleMs: number): void => {
    idleMs = mainThreadIdleMs;
    if (idleMs < supervision.stillnessMs) tellFromMs = supervision.stillnessMs;
    if (idleMs < tellFromMs) return;
    tellFromMs = idleMs + supervision.stillnessMs;
    send({ type: "worker.stoodStill", mainThreadIdleMs });
  };
  const stopNotices = parts.links.onNotice(ref.workerId, (notice) => {
    watchdog.hear();
    if (notice.kind === "heartbeat") noteIdle(notice.mainThreadIdleMs);
    if (notice.kind === "progress") watchdog.setLimit(supervision.silenceMs);
    else if (notice.kind === "loadProgress") watchdog.setLimit(supervision.loadingSilenceMs);
  });
  const follower = followMachine(parts, ref);
  const stopExit = parts.host.onExit(ref, (exit) => {
    const ofProcess: Evidence = {
      ...withoutNulls({ exitCode: exit.code, exitSignal: exit.signal }),
      isOwnSignal: false,
      ...(parts.links.takeKillAsked(ref.pid) ? { isOnRequest: true } : {}),
      logTail: exit.logTail,
    };
    parts.links.close(ref.workerId);
    // A record that cannot be taken away is replaced by the next process's.
    parts.host.forget(ref.workerId).catch((thrown: unknown) => {
      parts.logger.warn({ event: "worker.notForgotten", workerId: ref.workerId, message: messageOf(thrown) });
    });
    const report = (ofMachine: MachineEvidence): void =>
      send({ type: "process.exited", exit, evidence: ends.count(ref.workerId, { ...ofProcess, ...ofMachine }) });
    if (follower === null) report({});
    else void follower.evidence().then(report);
  });
  return () => {
    watchdog.stop();
    stopNotices();
    stopExit();
    follower?.end();
  };
}

export const workerActors = (parts: WorkerNeeds, ends = createOutsideEnds(parts)) => ({
  spawnProcess: fromPromise<ProcessRef, { workerId: string }>(({ input }) => spawn(parts, input.workerId)),
  handshake: fromPromise<ConnectedWorker, { ref: ProcessRef }>(({ input, signal }) =>
    shakeHands(parts, input.ref, signal),
  ),
  adoptProcess: fromPromise<ConnectedWorker | null, { workerId: string }>(({ input }) => adopt(parts, input.workerId)),
  watchProgram: fromCallback<WorkerEvent, { workerId: string }>(({ input, sendBack }) =>
    watchProgram(parts, input.workerId, sendBack),
  ),
  watchProcess: fromCallback<WorkerEvent, { ref: ProcessRef }>(({ input, sendBack }) =>
    watch(parts, ends, input.ref, sendBack),
  ),
  stopProcess: fromPromise<void, { ref: ProcessRef; shape: StopShape; reason: string }>(({ input }) =>
    stopProcess(parts, input.ref, input.shape, input.reason),
  ),
});
