/** Stops a worker process for certain, and blocks until it is gone: the card is free only then. */
import type { Clock } from "../core/clock.ts";
import { WorkerError } from "../core/errors.ts";
import type { ProcessRef, WorkerClient, WorkerHost } from "../core/ports/worker.ts";
import { secondMs } from "../core/units.ts";

export interface StopLimits {
  /** How long a worker may take for a clean end after it was asked; 0 leaves the request out. */
  readonly requestMs: number;
  readonly termMs: number;
  readonly killMs: number;
}

const stopLimits: StopLimits = { requestMs: 30 * secondMs, termMs: 10 * secondMs, killMs: 10 * secondMs };

export interface StopReport {
  /** The rung after which the process was gone; `alreadyGone` when none was needed. */
  readonly how: "alreadyGone" | "request" | "SIGTERM" | "SIGKILL";
  readonly tookMs: number;
}

const lookEveryMs = 50;

type StopHost = Pick<WorkerHost, "signal" | "isGone" | "stateLetter">;

/**
 * Whether the worker agreed to end. It did not when it refused, does not understand or does not answer: the next rung
 * follows, whatever the reason was. A connection that ends is how a worker may agree.
 */
function isAgreed(client: WorkerClient, reason: string): Promise<boolean> {
  return client.shutdown(reason).then(
    () => true,
    (thrown: unknown) => thrown instanceof WorkerError && thrown.code === "WORKER_EXITED",
  );
}

/**
 * Ends one process for certain: request → SIGTERM → SIGKILL to its group, each with its own limit. A stopped process (`T`)
 * cannot answer a request and is continued before SIGTERM. WORKER_SILENT when even SIGKILL did not end it in time, as
 * in an uninterruptible wait for a device.
 */
export async function stopWorker(
  host: StopHost,
  client: WorkerClient | null,
  ref: ProcessRef,
  clock: Clock,
  limits: StopLimits = stopLimits,
  reason = "stop",
): Promise<StopReport> {
  const startedAtMs = clock.nowMs();
  let isRefused = false;
  const report = (how: StopReport["how"]): StopReport => {
    // Members of the group may outlive their leader and hold the device.
    host.signal(ref, "SIGKILL");
    return { how, tookMs: clock.nowMs() - startedAtMs };
  };
  const goneWithin = async (limitMs: number, hasReason: () => boolean): Promise<boolean> => {
    const untilMs = clock.nowMs() + limitMs;
    while (!host.isGone(ref)) {
      const leftMs = untilMs - clock.nowMs();
      if (leftMs <= 0 || !hasReason()) return false;
      await clock.sleep(Math.min(lookEveryMs, leftMs));
    }
    return true;
  };
  const always = (): boolean => true;

  if (host.isGone(ref)) return report("alreadyGone");
  if (client !== null && limits.requestMs > 0 && host.stateLetter(ref) !== "T") {
    void isAgreed(client, reason).then((agreed) => {
      isRefused = !agreed;
    });
    if (await goneWithin(limits.requestMs, () => !isRefused)) return report("request");
  }
  if (host.stateLetter(ref) === "T") host.signal(ref, "SIGCONT");
  host.signal(ref, "SIGTERM");
  if (await goneWithin(limits.termMs, always)) return report("SIGTERM");
  host.signal(ref, "SIGKILL");
  if (await goneWithin(limits.killMs, always)) return report("SIGKILL");
  const state = host.stateLetter(ref);
  throw new WorkerError("WORKER_SILENT", `process ${ref.pid} did not end within ${limits.killMs} ms of SIGKILL`, {
    retryable: true,
    details: { state },
  });
}
