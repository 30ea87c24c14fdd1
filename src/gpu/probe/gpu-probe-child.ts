/**
 * The telemetry child: the only process of the service that touches a card's tools and files, because they may hang inside
 * the driver. Speaks JSON lines on its standard streams, ends with its standard input, ignores a terminal's Ctrl-C.
 */
import { constants, setPriority, uptime } from "node:os";
import { createInterface } from "node:readline";
import { createSystemClock } from "../../core/clock.ts";
import { secondMs } from "../../core/units.ts";
import { createAmdSource } from "./amd-source.ts";
import { openKernelLog } from "./kernel-log.ts";
import { NvidiaSource } from "./nvidia-source.ts";
import { type CardSource, type ProbeMessage, probeOptionsSchema, probeRequestSchema } from "./probe-protocol.ts";

const options = probeOptionsSchema.parse(JSON.parse(process.argv[2] ?? "{}"));
const clock = createSystemClock();
const over = new AbortController();

process.on("SIGINT", () => undefined);
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

const say = (message: ProbeMessage): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};
const end = (): void => {
  over.abort(new Error("the supervisor has ended"));
  process.exit(0);
};
process.stdout.on("error", end);

const kernel = options.kernelLog === null ? null : openKernelLog(options.kernelLog);
function sayKernelLines(): void {
  if (kernel === null || "unavailable" in kernel) return;
  const nowMs = uptime() * secondMs;
  const lines = kernel.read().map(({ atUptimeMs, text }) => ({ ageMs: Math.max(0, nowMs - atUptimeMs), text }));
  if (lines.length > 0) say({ kind: "kernel", lines });
}
async function followKernel(): Promise<void> {
  while (!over.signal.aborted) {
    sayKernelLines();
    await clock.sleep(options.everyMs, over.signal);
  }
}

let source: CardSource | null = null;

/** Measures the first kind of card that is there; says both reasons when there is none. */
async function run(): Promise<void> {
  const { nvidiaSmi, sysfs } = options;
  const shared = { ...options, clock, signal: over.signal, say };
  const sources = [
    ...(nvidiaSmi === null ? [] : [new NvidiaSource({ ...shared, nvidiaSmi })]),
    ...(sysfs === null ? [] : [createAmdSource({ ...shared, sysfs })]),
  ];
  const reasons: string[] = [];
  for (source of sources) {
    const outcome = await source.run();
    if (outcome === null) return;
    reasons.push(outcome.absent);
  }
  say({ kind: "absent", reason: reasons.join("; ") });
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    probeRequestSchema.parse(JSON.parse(line));
    sayKernelLines();
    void (source?.look() ?? Promise.resolve()).then(() => say({ kind: "looked" }));
  })
  .on("close", end);
void followKernel();
await run();
process.stdout.end(() => process.exit(0));
