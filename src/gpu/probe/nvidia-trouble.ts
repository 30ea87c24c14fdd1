/**
 * Tells why `nvidia-smi` gave no cards, from its texts and exit codes: a lost card, a missing driver or a missing
 * permission call for different repairs.
 */
import { withoutNulls } from "../../core/present.ts";
import type { Trouble } from "./probe-protocol.ts";
import type { ToolAnswer } from "./tool-call.ts";

type Verdict = Pick<Trouble, "kind" | "isDecided"> & { readonly nvmlCode?: number };

/** The exit codes of `nvidia-smi` by its manual. It also ends with NVML's own codes, such as 18. */
const byExitCode: Readonly<Record<number, Verdict>> = {
  4: { kind: "noPermission", isDecided: false },
  6: { kind: "noDevices", isDecided: true },
  9: { kind: "driverNotLoaded", isDecided: true },
  12: { kind: "libraryMissing", isDecided: true },
  15: { kind: "gpuLost", isDecided: true },
  18: { kind: "driverMismatch", isDecided: true, nvmlCode: 18 },
};

/**
 * Texts decide before codes, because some versions end with 255, or with 0, whatever they say. The texts are NVML's and
 * the tool's own.
 */
const byText: readonly (readonly [text: string, verdict: Verdict])[] = [
  ["GPU is lost", { kind: "gpuLost", isDecided: true, nvmlCode: 15 }],
  ["fallen off the bus", { kind: "gpuLost", isDecided: true, nvmlCode: 15 }],
  ["Unable to determine the device handle for GPU", { kind: "gpuLost", isDecided: true, nvmlCode: 15 }],
  ["Driver/library version mismatch", { kind: "driverMismatch", isDecided: true, nvmlCode: 18 }],
  ["couldn't communicate with the NVIDIA driver", { kind: "driverNotLoaded", isDecided: true, nvmlCode: 9 }],
  ["couldn't find libnvidia-ml", { kind: "libraryMissing", isDecided: true, nvmlCode: 12 }],
  ["No devices were found", { kind: "noDevices", isDecided: true }],
  ["Insufficient Permissions", { kind: "noPermission", isDecided: false }],
];

/** The tool's messages beside its rows: a loop that fails has listed cards before. */
const messagesIn = (output: string): readonly string[] =>
  output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("GPU-"));

/** Why a call that did not give cards gave none. */
export function troubleOf(answer: ToolAnswer): Trouble {
  if (answer.kind === "hung") return toolHung(answer.afterMs);
  if (answer.kind === "notStarted")
    return {
      kind: "toolMissing",
      isDecided: answer.errno === "ENOENT",
      reason: `nvidia-smi cannot be started: ${answer.errno}`,
    };
  const { code, signal } = answer;
  const messages = messagesIn(answer.output);
  const verdict = byText.find(([text]) => messages.some((message) => message.includes(text)))?.[1] ??
    byExitCode[code ?? 0] ?? { kind: "toolFailed", isDecided: false };
  const end = code === null ? `by ${signal}` : `with ${code}`;
  const [said] = messages;
  return {
    ...verdict,
    reason: `nvidia-smi ended ${end}${said === undefined ? "" : `: ${said}`}`,
    ...withoutNulls({ smiExitCode: code }),
  };
}

export const toolHung = (afterMs: number): Trouble => ({
  kind: "toolHung",
  isDecided: false,
  reason: `nvidia-smi did not answer within ${afterMs} ms`,
});
