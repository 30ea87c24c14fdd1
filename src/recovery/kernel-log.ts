/**
 * Reads lines of the kernel's log: XIDs of NVIDIA's driver, the out-of-memory killer, failures of disk and processes.
 */
import type { FaultClass } from "../core/words.ts";
import { recoveryActionClasses } from "./fault-numbers.ts";

/** How much one XID says: it decides, it decides when nothing better is known, or it only accompanies another one. */
export type XidWeight = "decisive" | "weak" | "informational";

export interface XidRow {
  readonly numbers: readonly number[];
  readonly weight: XidWeight;
  /** Null only for informational rows. */
  readonly faultClass: FaultClass | null;
  readonly meaning: string;
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/**
 * NVIDIA's XID numbers by the first action that helps: its catalogue of October 2025 as gpud mirrors it
 * (catalog_generated.go). Application errors are weak, because they may follow the death of the process; hardware is decisive.
 */
export const xidRows: readonly XidRow[] = [
  {
    weight: "decisive",
    faultClass: "gpuLost",
    numbers: [79],
    meaning: "the card has fallen off the bus; reboot the host",
  },
  { weight: "decisive", faultClass: "gpuLost", numbers: [151], meaning: "the virtual machine must be restarted" },
  {
    // gpud's list; NVIDIA's catalogue has no immediate action for them.
    weight: "decisive",
    faultClass: "gpuLost",
    numbers: [9, 12, 16, 18, 19, ...range(26, 30), ...range(33, 36), 42, 47, 59, 61, 78],
    meaning: "the host must be rebooted",
  },
  {
    weight: "decisive",
    faultClass: "gpuResetRequired",
    numbers: [48, 64, 95, 140],
    meaning: "memory error that was not corrected; the card must be reset",
  },
  {
    weight: "decisive",
    faultClass: "gpuResetRequired",
    numbers: [119, 120],
    meaning: "the card's system processor does not answer; reset",
  },
  {
    weight: "decisive",
    faultClass: "gpuResetRequired",
    numbers: [46, 62, 109, 110, 136, 143, 155, 156, 158],
    meaning: "the card must be reset",
  },
  {
    weight: "decisive",
    faultClass: "gpuMemoryFault",
    numbers: [94],
    meaning: "contained memory error; the process must be restarted",
  },
  {
    weight: "decisive",
    faultClass: "multiGpu",
    numbers: [74, ...range(144, 150)],
    meaning: "a link between cards failed",
  },
  { weight: "decisive", faultClass: "gpuHardware", numbers: [54], meaning: "auxiliary power is not connected" },
  { weight: "decisive", faultClass: "gpuHardware", numbers: [81, 142], meaning: "the card must be inspected" },
  {
    weight: "weak",
    faultClass: "contextPoisoned",
    numbers: [8, 11, 13, 25, 31, 32, 60, 68, 69, 80, 170, ...range(39, 41)],
    meaning: "the process made the card fail; it must be restarted",
  },
  {
    weight: "weak",
    faultClass: "contextPoisoned",
    numbers: [...range(70, 72), ...range(75, 77), ...range(82, 86), 88, 89, ...range(96, 105), ...range(126, 135), 139],
    meaning: "a copy or video engine failed; the process must be restarted",
  },
  { weight: "weak", faultClass: "contextPoisoned", numbers: [43, 45], meaning: "the process's channel was reset" },
  {
    weight: "weak",
    faultClass: "gpuMemoryFault",
    numbers: [63],
    meaning: "a row of memory was remapped; reset the card when it is idle",
  },
  {
    weight: "informational",
    faultClass: null,
    numbers: [37, 38, 44, 66, 67, 92, 93, 106, 107, 121, 137, 141, 152, 153, 154, 157, 160, 161],
    meaning: "accompanies another one",
  },
];

/** A kernel's line may follow a time (`[  12.345678] `), a priority (`<4>`) or a syslog's head (`… host kernel: `). */
const kernelHead = String.raw`^(?:\w{3} +\d+ [\d:]+ \S+ kernel: |\d{4}-\d\d-\d\dT\S+ \S+ kernel: )?(?:<\d+>)?(?:\[ *\d+\.\d+\] )?`;
const kernelLine = (pattern: string): RegExp => new RegExp(kernelHead + pattern, "m");

const xidLine = new RegExp(`${kernelHead}NVRM: Xid \\((?:PCI:)?[0-9a-fA-F:.]+\\)[^\\n]*?: (\\d+),([^\\n]*)`, "gm");

/** Lines of the kernel that are no XID: gpud's kmsg.go, and the kernel's own oom_kill.c, hung_task.c and signal.c. */
const kernelSignatures: readonly {
  readonly faultClass: FaultClass;
  readonly line: RegExp;
  readonly meaning: string;
}[] = [
  {
    faultClass: "gpuLost",
    line: kernelLine("NVRM: [^\\n]*fallen off the bus(?: and is not responding to commands)?"),
    meaning: "the kernel says that the card has fallen off the bus",
  },
  {
    faultClass: "diskFull",
    line: kernelLine("[^\\n]*Remounting filesystem read-only"),
    meaning: "the file system became read-only",
  },
  {
    faultClass: "hostOomKiller",
    line: kernelLine(
      "(?:\\S+ invoked oom-killer:|oom-kill:constraint=|(?:Out of memory: |Memory cgroup out of memory: )?Killed process \\d+ \\(|Task in \\S+ killed as a result of limit of)",
    ),
    meaning: "the kernel's out-of-memory killer ran",
  },
  {
    faultClass: "stall",
    line: kernelLine("(?:INFO: )?task \\S+:\\d+ blocked for more than \\d+ seconds"),
    meaning: "the kernel found a task blocked",
  },
  {
    faultClass: "multiGpu",
    line: kernelLine("\\S+\\[\\d+\\]: segfault at [^\\n]* in libnccl\\.so"),
    meaning: "a segmentation fault in NCCL",
  },
  {
    faultClass: "crashBySignal",
    line: kernelLine("\\S+\\[\\d+\\]: segfault at "),
    meaning: "the kernel recorded a segmentation fault",
  },
];

export interface KernelFinding {
  readonly faultClass: FaultClass;
  readonly decidedBy: string;
}

/** `… from 0x0 (None) to 0x1 (GPU Reset Required)`: the driver's own verdict, told by XID 154. */
function ofRecoveryChange(rest: string): KernelFinding | null {
  const verdict = /changed from .* to \S+ \(([^)]*)\)/.exec(rest)?.[1];
  return verdict === undefined ? null : ofRecoveryAction(verdict, "XID 154");
}

/** The class of a recovery action that the driver asks for; null for `None`. */
export function ofRecoveryAction(action: string, by: string): KernelFinding | null {
  const row = recoveryActionClasses.find(([fragment]) => action.includes(fragment));
  return row === undefined ? null : { faultClass: row[1], decidedBy: `${by}: the driver asks for "${action}"` };
}

/** The heaviest XID of this weight in the text; the table's order breaks ties. */
export function ofXids(text: string, weight: XidWeight): KernelFinding | null {
  const seen = [...text.matchAll(xidLine)].map((match) => ({ number: Number(match[1]), rest: match[2] ?? "" }));
  if (weight === "decisive") {
    const told = seen
      .map(({ number, rest }) => (number === 154 ? ofRecoveryChange(rest) : null))
      .findLast((found) => found !== null);
    if (told !== undefined) return told;
  }
  for (const row of xidRows) {
    const found = row.weight === weight ? seen.find(({ number }) => row.numbers.includes(number)) : undefined;
    if (found !== undefined && row.faultClass !== null)
      return { faultClass: row.faultClass, decidedBy: `XID ${found.number}: ${row.meaning}` };
  }
  return null;
}

/** What else the kernel wrote, of these classes only. */
export function ofKernelLines(text: string, classes: readonly FaultClass[]): KernelFinding | null {
  const row = kernelSignatures.find(({ faultClass, line }) => classes.includes(faultClass) && line.test(text));
  return row === undefined ? null : { faultClass: row.faultClass, decidedBy: row.meaning };
}
