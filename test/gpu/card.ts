/** The card as another process sees it, and another process that takes its memory. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { mebibyte } from "../../src/core/units.ts";
import { installedPython } from "../../src/workers/diffusers-command.ts";
import { until } from "../harness/running-service.ts";

const hog = fileURLToPath(new URL("../fixtures/tiny-wan/card_hog.py", import.meta.url));
/** A context and the allocator's granularity are in what the driver counts. */
export const sameBytes = 300 * mebibyte;

/** By the driver's own tool, of the first card. */
export function usedBytes(): number {
  const text = execFileSync("nvidia-smi", ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"], {
    encoding: "utf8",
  });
  return Number(text.trim()) * mebibyte;
}

/** Resolves once the card is used no more than so much. */
export const usedAtMost = (bytes: number, limitMs = 15_000): Promise<unknown> =>
  until(`the card's memory falls to ${Math.round(bytes / mebibyte)} MiB`, () => usedBytes() <= bytes, limitMs);

export interface Hog {
  readonly leave: () => Promise<void>;
}

export async function fillCard(leftMebibytes: number): Promise<Hog> {
  const child = spawn(installedPython, ["-B", hog, String(leftMebibytes)], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), "line"), ended])) as [string];
  if (!String(line).startsWith("ready")) throw new Error("the card could not be filled");
  return {
    leave: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
