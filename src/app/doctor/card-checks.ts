/** Card and driver, and what the platform offers. */

import type { Config } from "../../config/schema.ts";
import type { Sample } from "../../core/ports/telemetry-probe.ts";
import { formatBytes } from "../../core/units.ts";
import { openKernelLog } from "../../gpu/probe/kernel-log.ts";
import { createProcessTable } from "../../workers/process-table.ts";
import { missing, ok, unknown } from "./finding.ts";

const driverFix = "Install or repair NVIDIA's driver so that nvidia-smi lists the card, or render with --device cpu.";

const cardWords = ({ name, totalBytes }: Sample["gpus"][number]): string =>
  totalBytes === null ? `${name} (its memory is not told)` : `${name} with ${formatBytes(totalBytes)}`;

export function checkCard(sample: Sample | null, { health, workers }: Config) {
  if (health.cards === "none") return ok("Not measured: health.cards says none.");
  if (workers.every(({ kind, device }) => kind !== "simulator" && device === "cpu"))
    return ok("None is wanted: every worker renders on the processor.");
  if (sample === null) return unknown("No card could be measured.");
  const { gpus, gpuStatus } = sample;
  const [first] = gpus;
  if (gpuStatus?.state === "failed") return missing(`${gpuStatus.reason ?? "The card cannot be used"}.`, driverFix);
  if (gpuStatus?.state === "unknown") return unknown(`${gpuStatus.reason ?? "No card answers"}.`, driverFix);
  if (first === undefined)
    return missing(
      `There is no card (${gpuStatus?.reason ?? "no tool knows of one"}); real renders take the processor.`,
      driverFix,
    );
  return ok(`${gpus.map(cardWords).join(", ")}.`);
}

export function checkDriver(sample: Sample | null) {
  const card = sample?.gpus[0];
  if (sample === null || card === undefined) return unknown("Without a card that answers nothing tells of its driver.");
  const version = card.details?.driverVersion ?? null;
  if (version !== null) return ok(`Driver ${version}.`);
  return sample.gpuKind === "amd"
    ? ok("The kernel's own driver of AMD.")
    : unknown("The driver does not tell its version.");
}

/** Where the healer can do less, it says so here. */
export function checkAdoption() {
  const table = createProcessTable();
  return table.stat(process.pid) !== null && table.bootId() !== null
    ? ok("A render outlives the supervisor, and the next start takes it up.")
    : missing(
        "There is no /proc: a render ends with the supervisor, and goes on from its checkpoint.",
        "Run on Linux.",
      );
}

export function checkControlGroup(sample: Sample | null) {
  if (sample === null) return unknown("The host could not be measured.");
  const group = sample.host.details?.cgroup;
  return group == null
    ? missing(
        "No control group accounts this service's memory: a kill for want of memory is guessed.",
        "Run it as a systemd unit or in a container.",
      )
    : ok(
        `Version ${group.version}; a kill for want of memory is ${group.oomKillCount === null ? "guessed" : "counted"}.`,
      );
}

export function checkPressure(sample: Sample | null) {
  if (sample === null) return unknown("The host could not be measured.");
  return sample.host.details?.pressure.memory == null
    ? missing(
        "This kernel does not tell how long programs wait for memory.",
        "Boot with psi=1, on a kernel with CONFIG_PSI.",
      )
    : ok("The kernel tells how long programs wait for memory.");
}

/** @param path of the kernel's log */
export function checkKernelLog(path = "/dev/kmsg") {
  const log = openKernelLog(path);
  if ("unavailable" in log)
    return missing(
      `${log.unavailable}; faults that a card's driver writes there (XID) are not seen.`,
      "Give the service CAP_SYSLOG (as deploy/understudy.service does), or set kernel.dmesg_restrict=0.",
    );
  log.close();
  return ok("Faults that a card's driver writes to the kernel's log (XID) are seen.");
}
