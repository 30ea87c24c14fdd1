/**
 * Every class of faults with the test card that provokes it, for the drills that show each one to be recognised in the
 * running service.
 */
import type { FaultClass } from "../../src/core/words.ts";

/** One class of faults and how it is brought about in the running service. */
export interface ClassRow {
  readonly name: string;
  /** What it must be known as; null for what is no fault, but a state of health. */
  readonly faultClass: FaultClass | null;
  /** The card in the job's prompt. */
  readonly card: string;
  /** How the job ends; what was accepted is rendered in the end, unless the request itself is at fault. */
  readonly ends: "completed" | "failed";
  /** Done to the worker's process once it denoises; without it the card does all. */
  readonly strike?: "killForMemory";
  readonly limitMs?: number;
}

const job = (name: string, faultClass: FaultClass, card: string, change: Partial<ClassRow> = {}): ClassRow => ({
  name,
  faultClass,
  card,
  ends: "completed",
  ...change,
});

/** Every class of failures that the field knows (torch, diffusers, safetensors, the hub, the driver, the kernel). */
export const classRows: readonly ClassRow[] = [
  job("request", "request", "raise:request@encode", { ends: "failed" }),
  job("model file", "modelFile", "raise:model-file@encode"),
  job("out of memory", "outOfMemory", "oom@denoise:3"),
  job("out of memory, fragmented", "outOfMemoryFragmented", "fragment:70GiB@denoise:2]] [[sim:oom@denoise:3"),
  job("out of address space", "outOfVirtualSpace", "raise:oom-virtual-space@denoise:3"),
  job("out of memory, neighbour", "outOfMemoryNeighbour", "neighbour:34GiB@denoise:2]] [[sim:oom@denoise:3"),
  job("context poisoned", "contextPoisoned", "poison@denoise:3"),
  job("card's memory fault", "gpuMemoryFault", "raise:memory-fault@denoise:3"),
  job("card lost", "gpuLost", "raise:gpu-lost@denoise:3"),
  job("card needs a reset", "gpuResetRequired", "raise:reset-required@denoise:3"),
  job("driver", "driver", "raise:driver@denoise:3"),
  job("host: killed for memory", "hostOomKiller", "slow:4@denoise:1", { strike: "killForMemory" }),
  job("host: allocation", "hostAllocation", "raise:host-alloc@denoise:3"),
  job("disk full", "diskFull", "raise:disk-full@denoise:3"),
  job("network", "network", "raise:network@encode"),
  job("offline", "offlineMode", "raise:offline@encode"),
  job("gated model", "authentication", "raise:gated@encode"),
  job("model not found", "notFound", "raise:not-found@encode"),
  job("missing package", "missingDependency", "raise:missing-package@encode"),
  job("offload conflict", "offloadConflict", "raise:offload-conflict@encode"),
  job("crash by signal", "crashBySignal", "crash:SIGSEGV@denoise:3"),
  job("exit by code", "workerExit", "exit:1@denoise:3"),
  job("between cards", "multiGpu", "raise:nccl@denoise:3"),
  job("hang", "silence", "silent@denoise:2]] [[sim:stall@denoise:3"),
  job("stall", "stall", "stall@denoise:3", { limitMs: 240_000 }),
  job("bad output", "badOutput", "black@mux"),
  {
    name: "slow for its heat",
    faultClass: null,
    card: "throttle@denoise:1]] [[sim:slow:25@denoise:2",
    ends: "completed",
  },
];
