/**
 * Follows /dev/kmsg without blocking. The kernel's lines about cards and kills are often the only trace of why a worker
 * ended.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";

interface KernelLine {
  /** The time since the machine's start. */
  readonly atUptimeMs: number;
  readonly text: string;
}

export interface KernelLog {
  /** Returns what was written since the last call. */
  read(): readonly KernelLine[];
  close(): void;
}

/** Only lines about cards, and about what ends processes, are kept: those that recovery/kernel-log.ts can judge. */
const isRelevant =
  /NVRM|amdgpu|oom-kill|Killed process|killed as a result of limit of|blocked for more than|segfault at|Remounting filesystem/;
const recordBytes = 8_192;
const endCodes: ReadonlySet<string | undefined> = new Set(["EAGAIN", "EIO"]);

/**
 * A record reads `6,1234,5678901,-;text`, and its continuation lines begin with a space: the kernel's
 * ABI/testing/dev-kmsg.
 */
function parseRecords(text: string): readonly KernelLine[] {
  return text.split("\n").flatMap((line) => {
    const [, micros, message] = /^\d+,\d+,(\d+),[^;]*;(.*)$/.exec(line) ?? [];
    return micros === undefined || message === undefined || !isRelevant.test(message)
      ? []
      : [{ atUptimeMs: Number(micros) / 1_000, text: message }];
  });
}

/** Opens the kernel's log without waiting for it; the reason when it may not be read, as usual in a container. */
export function openKernelLog(path: string): KernelLog | { readonly unavailable: string } {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EPERM" && code !== "EACCES") throw thrown;
    return { unavailable: `the kernel's log cannot be read: ${code}` };
  }
  const buffer = Buffer.alloc(recordBytes);
  const next = (): string | null => {
    try {
      const count = readSync(descriptor, buffer);
      return count === 0 ? null : buffer.toString("utf8", 0, count);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      // Older records were overwritten before they were read; the next read goes on with what is there.
      if (code === "EPIPE") return "";
      if (endCodes.has(code)) return null;
      throw thrown;
    }
  };
  let rest = "";
  return {
    read: () => {
      const lines: KernelLine[] = [];
      for (let text = next(); text !== null; text = next()) {
        const end = `${rest}${text}`.lastIndexOf("\n") + 1;
        lines.push(...parseRecords(`${rest}${text}`.slice(0, end)));
        rest = `${rest}${text}`.slice(end);
      }
      return lines;
    },
    close: () => closeSync(descriptor),
  };
}
