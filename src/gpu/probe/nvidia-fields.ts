/**
 * The columns that are asked of `nvidia-smi`, each with its older name and its reader. Drivers differ in the names they
 * know, so the choice is narrowed by what a driver refuses.
 */
import { mebibyte } from "../../core/units.ts";
import type { Card } from "./probe-protocol.ts";

/** The field of a card that one column of `--query-gpu` fills. */
type CardField =
  | keyof Card["details"]
  | "uuid"
  | "name"
  | "totalBytes"
  | "usedBytes"
  | "utilizationRatio"
  | "temperatureCelsius";
type Value = string | number | boolean;

export interface NvidiaField {
  /** The column's names, the newest first: drivers before 535 know the second. */
  readonly names: readonly string[];
  readonly fills: CardField;
  /** Reads a cell; null when its text is no value. */
  readonly read: (text: string) => Value | null;
}

const numberOf = (text: string): number | null => (/^[+-]?\d+(?:\.\d+)?$/.test(text) ? Number(text) : null);
const times =
  (factor: number) =>
  (text: string): number | null => {
    const value = numberOf(text);
    return value === null ? null : value * factor;
  };
const isOneOf =
  (yes: readonly string[], no: readonly string[]) =>
  (text: string): boolean | null =>
    yes.includes(text) ? true : no.includes(text) ? false : null;
const yesOrNo = isOneOf(["Yes", "1", "Enabled"], ["No", "0", "Disabled"]);
const text = (value: string): string => value;

/** The kernel writes the address without the function, and the domain with four digits where the tool writes eight. */
export function busIdOf(address: string): string | null {
  const parts = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}):([0-9a-f]{2})(?:\.[0-9a-f])?$/i.exec(address);
  if (parts === null) return null;
  const domain = (parts[1] ?? "").replace(/^0+/, "").padStart(4, "0");
  return `${domain}:${parts[2]}:${parts[3]}`.toLowerCase();
}

/** The fields stand in the order in which they are asked. The name is last, because it may hold commas. */
export const nvidiaFields: readonly NvidiaField[] = [
  { names: ["uuid"], fills: "uuid", read: text },
  { names: ["memory.total"], fills: "totalBytes", read: times(mebibyte) },
  { names: ["memory.used"], fills: "usedBytes", read: times(mebibyte) },
  { names: ["memory.reserved"], fills: "reservedBytes", read: times(mebibyte) },
  { names: ["utilization.gpu"], fills: "utilizationRatio", read: times(0.01) },
  { names: ["temperature.gpu"], fills: "temperatureCelsius", read: numberOf },
  { names: ["temperature.memory"], fills: "memoryTemperatureCelsius", read: numberOf },
  { names: ["temperature.gpu.tlimit"], fills: "thermalMarginCelsius", read: numberOf },
  {
    names: ["clocks_event_reasons.active", "clocks_throttle_reasons.active"],
    fills: "throttleMask",
    read: (value) => (/^0x[0-9a-f]+$/i.test(value) ? Number(value) : null),
  },
  { names: ["power.draw"], fills: "powerWatts", read: numberOf },
  { names: ["power.limit"], fills: "powerLimitWatts", read: numberOf },
  { names: ["ecc.errors.uncorrected.volatile.total"], fills: "uncorrectedEccCount", read: numberOf },
  { names: ["remapped_rows.pending"], fills: "isRemapPending", read: yesOrNo },
  { names: ["remapped_rows.failure"], fills: "hasRemapFailed", read: yesOrNo },
  { names: ["gpu_recovery_action"], fills: "recoveryAction", read: text },
  { names: ["mig.mode.current"], fills: "isMigEnabled", read: yesOrNo },
  {
    names: ["compute_mode"],
    fills: "isComputeExclusive",
    read: isOneOf(["Exclusive_Process", "Exclusive_Thread", "Prohibited"], ["Default"]),
  },
  { names: ["pci.bus_id"], fills: "busId", read: busIdOf },
  { names: ["driver_version"], fills: "driverVersion", read: text },
  { names: ["name"], fills: "name", read: text },
];

/** The chosen name of each field; null where this driver knows none of them. */
export type ChosenFields = readonly (string | null)[];

export const firstChoice: ChosenFields = nvidiaFields.map(({ names }) => names[0] ?? null);

/** The choice after the tool has refused a name: the field's older name, else none. Null when the name was not asked for. */
export function withoutField(chosen: ChosenFields, refused: string): ChosenFields | null {
  const index = chosen.indexOf(refused);
  if (index === -1) return null;
  const names = nvidiaFields[index]?.names ?? [];
  return chosen.with(index, names[names.indexOf(refused) + 1] ?? null);
}

/** The name that `nvidia-smi` does not know, in its words. */
export const refusedField = (output: string): string | null =>
  /Field "([^"]+)" is not a valid field to query/.exec(output)?.[1] ?? null;
