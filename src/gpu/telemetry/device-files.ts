/**
 * The files in which simulated devices publish their memory, read from outside as a driver's tool would read a card.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UnderstudyError } from "../../core/errors.ts";

/** What a simulated device's process writes as `<pid>.json`. */
const deviceFileSchema = z.object({
  pid: z.number().int().positive(),
  startTicks: z.number().int().nonnegative().nullable(),
  uuid: z.string(),
  name: z.string(),
  totalBytes: z.number().nonnegative(),
  usedBytes: z.number().nonnegative(),
  atMs: z.number(),
  utilizationRatio: z.number().min(0).max(1),
  temperatureCelsius: z.number(),
  /** The mask has the bits of NVIDIA's `clocks_event_reasons.active`. */
  throttleMask: z.number().int().nonnegative().default(0),
});

export type DeviceFile = z.infer<typeof deviceFileSchema>;

const codeOf = (thrown: unknown): string | undefined => (thrown as NodeJS.ErrnoException).code;

const unreadable = (path: string, cause: unknown): UnderstudyError =>
  new UnderstudyError("SYSTEM_RESOURCE", `the simulated card's ${path} cannot be read`, { cause, retryable: true });

async function readOne(path: string): Promise<DeviceFile | null> {
  try {
    return deviceFileSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return null;
    throw unreadable(path, thrown);
  }
}

/**
 * Reads every entry of the folder; none when the folder does not exist. Throws SYSTEM_RESOURCE when one is not what it
 * should be.
 */
export async function readDeviceFiles(deviceDir: string): Promise<readonly DeviceFile[]> {
  const names = await readdir(deviceDir).catch((thrown: unknown) => {
    if (codeOf(thrown) === "ENOENT") return [];
    throw unreadable(deviceDir, thrown);
  });
  const files = await Promise.all(
    names.filter((name) => name.endsWith(".json")).map((name) => readOne(join(deviceDir, name))),
  );
  return files.filter((file) => file !== null);
}

/**
 * Deletes the entries of processes that have ended: nobody else does. The name is the pid, so an entry is read again first:
 * a new process with the same pid may have written its own meanwhile.
 */
export async function removeDeviceFiles(deviceDir: string, dead: readonly DeviceFile[]): Promise<void> {
  for (const { pid, startTicks } of dead) {
    const path = join(deviceDir, `${pid}.json`);
    if ((await readOne(path))?.startTicks === startTicks) await rm(path, { force: true });
  }
}
