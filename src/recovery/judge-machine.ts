/**
 * Judges that read what the card, its driver and the kernel say. Their word stands before that of any program: they
 * know when a card is lost.
 */
import type { Evidence } from "../core/fault.ts";
import { nvmlCodes, smiExitCodes, throttleBits } from "./fault-numbers.ts";
import { ofKernelLines, ofRecoveryAction, ofXids } from "./kernel-log.ts";
import { type Judge, type Recognition, recognition } from "./recognition.ts";

/** The card's and its driver's own word. */
export function ofHardware({ gpu, kernelLog = "" }: Evidence): Recognition | null {
  const { smiExitCode, nvmlCode, recoveryAction, missingDeviceCount } = gpu ?? {};
  const told =
    ofXids(kernelLog, "decisive") ??
    (recoveryAction === undefined ? null : ofRecoveryAction(recoveryAction, "gpu_recovery_action")) ??
    ofKernelLines(kernelLog, ["gpuLost"]);
  if (told !== null) return recognition(told.faultClass, 0.95, told.decidedBy);
  const nvml = nvmlCodes[nvmlCode ?? 0];
  if (nvml !== undefined) return recognition(nvml.faultClass, 0.95, `NVML ${nvmlCode}: ${nvml.meaning}`);
  const smi = smiExitCodes[smiExitCode ?? 0];
  if (smi !== undefined)
    return recognition(smi.faultClass, 0.9, `nvidia-smi ended with ${smiExitCode}: ${smi.meaning}`);
  return (missingDeviceCount ?? 0) > 0
    ? recognition("gpuLost", 0.8, `${missingDeviceCount} of the cards are no longer listed`)
    : null;
}

/**
 * Reads XIDs and kernel lines that may as well follow from something else: they decide only when nothing better does.
 */
export function ofWeakKernelLines({ kernelLog = "" }: Evidence): Recognition | null {
  const xid = ofXids(kernelLog, "weak");
  if (xid !== null) return recognition(xid.faultClass, 0.8, xid.decidedBy);
  const kernel = ofKernelLines(kernelLog, ["diskFull", "multiGpu", "crashBySignal", "stall"]);
  return kernel === null ? null : recognition(kernel.faultClass, 0.7, kernel.decidedBy);
}

export const ofThrottling: Judge = ({ gpu }) => {
  const bit = throttleBits.find(([mask]) => ((gpu?.throttleMask ?? 0) & mask) !== 0);
  return bit === undefined ? null : recognition("thermal", 0.8, bit[1]);
};
