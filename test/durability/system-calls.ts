/**
 * Reads what strace wrote of a process: which files it wrote and synced, what it named, and what it told others, in
 * the order in which the kernel was asked and had answered.
 */

export interface SystemCall {
  readonly name: string;
  /** The file or socket that a descriptor stands for; empty where the call names its files. */
  readonly target: string;
  /** The texts of the call: what was written, or the names of files. */
  readonly texts: readonly Buffer[];
  /** `pwrite64`: where; `ftruncate`: how long. Zero elsewhere. */
  readonly offset: number;
  readonly hasFailed: boolean;
  /** Places in the order of all calls: when it was asked, and when it had been carried out. */
  readonly begunAt: number;
  readonly endedAt: number;
}

/** With these every text is complete, and in hexadecimal digits. */
export const straceFlags = [
  "-f",
  "-y",
  "-xx",
  "-s",
  "65536",
  "-e",
  "trace=fsync,fdatasync,link,linkat,write,writev,sendmsg,sendto,pwrite64,ftruncate",
];

const fromHex = (text: string): Buffer => Buffer.from(text.replaceAll("\\x", ""), "hex");

function readCall(text: string, begunAt: number, endedAt: number): SystemCall | null {
  const match = /^(\w+)\((.*)\)\s+= (-?\d+)/s.exec(text);
  if (match === null) return null;
  const [, name = "", args = "", result = "0"] = match;
  const target = /^\d+<((?:\\x[0-9a-f]{2})*)>/.exec(args)?.[1] ?? "";
  const texts = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = ""]) => fromHex(hex));
  const offset = Number(/, (\d+)$/.exec(args)?.[1] ?? 0);
  return { name, target: fromHex(target).toString(), texts, offset, hasFailed: Number(result) < 0, begunAt, endedAt };
}

/** A call that was interrupted by another thread's is written in two lines. */
export function readSystemCalls(log: string): readonly SystemCall[] {
  const open = new Map<string, { readonly text: string; readonly at: number }>();
  const calls: SystemCall[] = [];
  for (const [at, line] of log.split("\n").entries()) {
    const [, thread = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const begun = /^(.*) <unfinished \.\.\.>$/.exec(rest)?.[1];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
    if (begun !== undefined) {
      open.set(thread, { text: begun, at });
      continue;
    }
    const first = resumed === undefined ? { text: "", at } : (open.get(thread) ?? { text: "", at });
    const call = readCall(`${first.text}${resumed ?? rest}`, first.at, at);
    if (call !== null) calls.push(call);
  }
  return calls.toSorted((one, other) => one.endedAt - other.endedAt);
}

export const isSync = ({ name, hasFailed }: SystemCall): boolean =>
  !hasFailed && (name === "fsync" || name === "fdatasync");

export const isLink = ({ name, hasFailed }: SystemCall): boolean =>
  !hasFailed && (name === "link" || name === "linkat");

/** What it told whoever listens at a socket. */
export const toldText = ({ target, texts }: SystemCall): string =>
  target.startsWith("socket:") ? Buffer.concat(texts).toString() : "";
