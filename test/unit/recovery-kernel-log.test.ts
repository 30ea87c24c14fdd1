import { describe, expect, it } from "vitest";
import type { FaultClass } from "../../src/core/words.ts";
import { classify } from "../../src/recovery/classify.ts";
import { ofXids, xidRows } from "../../src/recovery/kernel-log.ts";

/** The table of Xid numbers, by what helps: the same numbers, written a second time. */
const restart = [
  13, 31, 11, 25, 39, 40, 41, 70, 71, 72, 75, 76, 77, 85, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 60, 80, 82,
  83, 84,
];
const restartToo = [86, 88, 89, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 139, 8, 32, 68, 69, 43, 45, 170];
const reset = [46, 62, 64, 95, 109, 110, 119, 120, 136, 140, 143, 155, 156, 158, 48];
const reboot = [79, 151, 9, 12, 16, 18, 19, 26, 27, 28, 29, 30, 33, 34, 35, 36, 42, 47, 59, 61, 78];
const links = [74, 144, 145, 146, 147, 148, 149, 150];
const inspect = [54, 142, 81];
const silent = [37, 38, 44, 66, 67, 92, 93, 106, 107, 121, 137, 141, 152, 153, 154, 157, 160, 161];

const line = (number: number): string =>
  `[12345.678901] NVRM: Xid (PCI:0000:65:00): ${number}, pid=4242, name=python3, Ch 00000008`;
const rows: readonly (readonly [FaultClass, readonly number[], RegExp | null])[] = [
  ["contextPoisoned", [...restart, ...restartToo], null],
  ["gpuMemoryFault", [94, 63], null],
  ["gpuResetRequired", reset, /^Reset the card/],
  ["gpuLost", reboot, /^Reboot the host/],
  ["multiGpu", links, null],
  ["gpuHardware", inspect, /inspected/],
];

describe("XIDs", () => {
  it.each(rows.flatMap(([faultClass, numbers, asks]) => numbers.map((number) => [number, faultClass, asks] as const)))(
    "%i alone is %s and asks for %o",
    (number, faultClass, asks) => {
      const fault = classify({ kernelLog: line(number) });
      const found = ofXids(line(number), "decisive") ?? ofXids(line(number), "weak");
      expect(found?.faultClass).toBe(faultClass);
      expect(fault.decidedBy).toContain(`XID ${number}: `);
      if (asks === null) expect(fault.operatorAction).toBeNull();
      else expect(fault.operatorAction).toMatch(asks);
    },
  );
  it.each(silent)("%i only accompanies another one", (number) => {
    expect(classify({ kernelLog: line(number) })).toMatchObject({ confidence: 0, code: "WORKER_ERROR" });
  });
  it("are each in one row, and all are tried here", () => {
    const numbers = xidRows.flatMap((row) => row.numbers);
    expect(new Set(numbers).size).toBe(numbers.length);
    const tried = [...rows.flatMap(([, found]) => found), ...silent];
    expect(numbers.toSorted((a, b) => a - b)).toEqual(tried.toSorted((a, b) => a - b));
  });
  it.each([
    ["the kernel's ring", "[12345.678901] "],
    ["the kernel's ring with a priority", "<4>[12345.678901] "],
    ["syslog", "Nov 24 01:06:39 gpu-7 kernel: [12345.678901] "],
    ["journald", "2026-11-24T01:06:39.123456+00:00 gpu-7 kernel: "],
    ["nothing", ""],
  ])("are read behind the head of %s", (_, head) => {
    expect(classify({ kernelLog: `${head}NVRM: Xid (0000:65:00): 79, GPU has fallen off the bus.` }).code).toBe(
      "GPU_LOST",
    );
  });
  it("that nobody knows say nothing", () => {
    expect(classify({ kernelLog: line(9999) }).code).toBe("WORKER_ERROR");
  });
  it.each([
    ["GPU Reset Required", "GPU_RESET_REQUIRED"],
    ["Node Reboot Required", "GPU_LOST"],
    ["Drain P2P", "GPU_LINK_FAILED"],
    ["Drain and Reset", "GPU_RESET_REQUIRED"],
  ])("154 carries the driver's own verdict: %s", (verdict, code) => {
    const kernelLog = `NVRM: Xid (PCI:0000:65:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (${verdict})`;
    expect(classify({ kernelLog }).code).toBe(code);
  });
});
