/**
 * Reads AMD's cards from sysfs, inside the probe child: reading such a file can hang in the driver, and then only that
 * child hangs.
 */
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { emptyDetails } from "../empty-details.ts";
import { busIdOf } from "./nvidia-fields.ts";
import type { Card, CardSource, ProbeMessage, ProbeOptions } from "./probe-protocol.ts";

const amdVendor = "0x1002";
const absentCodes: ReadonlySet<string | undefined> = new Set([
  "ENOENT",
  "ENOTDIR",
  "ENODEV",
  "EACCES",
  "EPERM",
  "EINVAL",
  "EOPNOTSUPP",
  "EIO",
  "EBUSY",
]);

type Read = { readonly text: string } | { readonly reason: string };

async function readSysfs(path: string): Promise<Read> {
  try {
    return { text: (await readFile(path, "utf8")).trim() };
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (!absentCodes.has(code)) throw thrown;
    return { reason: code === "ENOENT" ? `the driver has no ${basename(path)}` : `${basename(path)}: ${code}` };
  }
}

async function list(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).toSorted();
  } catch (thrown) {
    if (absentCodes.has((thrown as NodeJS.ErrnoException).code)) return [];
    throw thrown;
  }
}

const textOf = (read: Read): string | null => ("text" in read && read.text !== "" ? read.text : null);

/**
 * Which file of a card fills which field. Sources: the kernel's gpu/amdgpu/driver-misc.rst and
 * hwmon/sysfs-interface.rst.
 */
const deviceFiles = [
  ["totalBytes", "mem_info_vram_total", 1],
  ["usedBytes", "mem_info_vram_used", 1],
  ["utilizationRatio", "gpu_busy_percent", 0.01],
] as const;
const monitorFiles = [
  ["temperatureCelsius", "temp1_input", 0.001],
  ["memoryTemperatureCelsius", "temp3_input", 0.001],
  ["powerWatts", "power1_average", 1e-6],
  ["powerLimitWatts", "power1_cap", 1e-6],
] as const;
type Field = (typeof deviceFiles)[number][0] | (typeof monitorFiles)[number][0];

async function readCard(device: string): Promise<Card | null> {
  if (textOf(await readSysfs(join(device, "vendor"))) !== amdVendor) return null;
  const [monitor] = await list(join(device, "hwmon"));
  const unavailable: Record<string, string> = {};
  const values: Partial<Record<Field, number | null>> = {};
  const fill = async (
    folder: string | null,
    [field, file, factor]: readonly [Field, string, number],
  ): Promise<void> => {
    const read: Read = folder === null ? { reason: "the card has no sensors" } : await readSysfs(join(folder, file));
    const isNumber = "text" in read && /^-?\d+$/.test(read.text);
    values[field] = isNumber ? Number(read.text) * factor : null;
    if (!isNumber) unavailable[field] = "reason" in read ? read.reason : `${file} says "${read.text}"`;
  };
  for (const row of deviceFiles) await fill(device, row);
  for (const row of monitorFiles) await fill(monitor === undefined ? null : join(device, "hwmon", monitor), row);
  const address = basename(await realpath(device));
  const serial = textOf(await readSysfs(join(device, "unique_id")));
  const model =
    textOf(await readSysfs(join(device, "product_name"))) ??
    `AMD ${textOf(await readSysfs(join(device, "device"))) ?? address}`;
  return {
    uuid: `AMD-${serial ?? address}`,
    name: model,
    totalBytes: values.totalBytes ?? null,
    usedBytes: values.usedBytes ?? null,
    utilizationRatio: values.utilizationRatio ?? null,
    temperatureCelsius: values.temperatureCelsius ?? null,
    unavailable,
    details: {
      ...emptyDetails,
      busId: busIdOf(address),
      memoryTemperatureCelsius: values.memoryTemperatureCelsius ?? null,
      powerWatts: values.powerWatts ?? null,
      powerLimitWatts: values.powerLimitWatts ?? null,
    },
  };
}

/** Reads every card of AMD's driver, in the kernel's order. Plain reads do: no tool is needed. */
export async function readAmdCards(sysfs: string): Promise<readonly Card[]> {
  const drm = join(sysfs, "class", "drm");
  const names = (await list(drm)).filter((name) => /^card\d+$/.test(name));
  const cards = await Promise.all(names.map((name) => readCard(join(drm, name, "device"))));
  return cards.filter((card) => card !== null);
}

export interface AmdSourceOptions extends ProbeOptions {
  readonly sysfs: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (message: ProbeMessage) => void;
}

export function createAmdSource({ sysfs, clock, signal, everyMs, say }: AmdSourceOptions): CardSource {
  const known = new Set<string>();
  const measure = async (): Promise<void> => {
    const cards = await readAmdCards(sysfs);
    for (const { uuid } of cards) known.add(uuid);
    if (known.size === 0) return;
    if (cards.length === 0) {
      say({
        kind: "trouble",
        gpuKind: "amd",
        trouble: { kind: "gpuLost", isDecided: true, reason: "the cards are no longer listed in sysfs" },
      });
      return;
    }
    say({ kind: "cards", gpuKind: "amd", cards: [...cards], missingCount: known.size - cards.length });
  };
  return {
    run: async () => {
      await measure();
      if (known.size === 0) return { absent: "sysfs lists no card of AMD" };
      while (!signal.aborted) {
        await clock.sleep(everyMs, signal);
        await measure();
      }
      return null;
    },
    look: measure,
  };
}
