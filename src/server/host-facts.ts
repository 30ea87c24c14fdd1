/** Facts of the machine that stay the same while the process runs, read for the routes about the system. */
import { arch, cpus, machine, platform, totalmem } from "node:os";

export interface HostFacts {
  readonly platform: string;
  readonly architecture: string;
  readonly processor: string;
  readonly coreCount: number;
  readonly memoryBytes: number;
  readonly nodeVersion: string;
}

export function readHostFacts(): HostFacts {
  const processors = cpus();
  return {
    platform: platform(),
    architecture: arch(),
    processor: processors[0]?.model.trim() || machine(),
    coreCount: processors.length,
    memoryBytes: totalmem(),
    nodeVersion: process.versions.node,
  };
}
