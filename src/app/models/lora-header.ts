/**
 * Looks at a LoRA before a job that names it is accepted: whether the file is there, and whether its header is that of a whole
 * safetensors file. No weight is read.
 */
import { type FileHandle, open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { z } from "zod";
import type { FieldProblem } from "../../contract/submission.ts";

type LoraProblem = Pick<FieldProblem, "code" | "detail">;

/** The length of the header, as a whole number of 64 bits, stands before it. */
const lengthBytes = 8;
/** The format's own limit. */
const longestHeaderBytes = 100_000_000;

const tensorSchema = z.object({ data_offsets: z.tuple([z.int().min(0), z.int().min(0)]) });
const headerSchema = z.record(z.string(), z.unknown());

const isAbsent = (thrown: unknown): boolean =>
  ["ENOENT", "ENOTDIR", "EISDIR"].includes((thrown as NodeJS.ErrnoException).code ?? "");

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** Null for bytes that are no header. */
function parseHeader(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return headerSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}

/** What is wrong with the file, as it goes on from its name; null for a whole file with weights. */
async function findDefect(file: FileHandle): Promise<string | null> {
  const notWhole = "is not a whole safetensors file";
  const { size } = await file.stat();
  const head = await readAt(file, 0, lengthBytes);
  const headerBytes = head.length < lengthBytes ? 0 : Number(head.readBigUInt64LE());
  if (headerBytes < 2 || headerBytes > longestHeaderBytes || lengthBytes + headerBytes > size) return notWhole;
  const header = parseHeader((await readAt(file, lengthBytes, headerBytes)).toString("utf8"));
  if (header === null) return notWhole;
  const { __metadata__: _about, ...tensors } = header;
  const parsed = Object.values(tensors).map((tensor) => tensorSchema.safeParse(tensor));
  if (parsed.length === 0) return "holds no weights";
  const ends = parsed.map(({ data }) => data?.data_offsets[1] ?? Number.NaN);
  return Math.max(...ends) === size - lengthBytes - headerBytes ? null : notWhole;
}

/**
 * Why the file of this name cannot be applied to any model; null where it can.
 * @param folder of LoRAs; null where none is configured, and only the worker knows
 */
export async function findLoraProblem(folder: string | null, name: string): Promise<LoraProblem | null> {
  if (folder === null) return null;
  const absent: LoraProblem = {
    code: "REQUEST_INVALID",
    detail: `names no file below the LoRA directory: there is no ${name}`,
  };
  let file: FileHandle;
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, name));
    // A link that leads out names somebody else's file.
    if (!path.startsWith(root + sep)) return absent;
    file = await open(path);
  } catch (thrown) {
    if (!isAbsent(thrown)) throw thrown;
    return absent;
  }
  try {
    if (!(await file.stat()).isFile()) return absent;
    const defect = await findDefect(file);
    return defect === null ? null : { code: "LORA_UNSUPPORTED", detail: `cannot be applied: ${name} ${defect}` };
  } finally {
    await file.close();
  }
}
