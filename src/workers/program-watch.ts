/**
 * Tells whether a worker's program, or what it stands on, has changed on the disk. A worker that could not start is tried
 * again when it has, and not before.
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { errnoOf } from "./process-table.ts";
import type { WorkerCommand } from "./worker-process.ts";

/** The time of the inode changes with content, with permissions and with a file of the same name. */
function stampOf(path: string): string {
  try {
    const { ino, ctimeMs, size } = statSync(path);
    return `${path} ${ino} ${ctimeMs} ${size}`;
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === undefined) throw thrown;
    return `${path} ${errno}`;
  }
}

function canExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return false;
  }
}

/** Where the program lies: a bare name is looked for on the PATH, as the system does. */
function placeOf(file: string): string {
  if (file.includes("/")) return resolve(file);
  const places = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, file));
  return places.find(canExecute) ?? file;
}

/** A Python of a virtual environment: these change when something is installed into it. */
function environmentOf(program: string): readonly string[] {
  const root = dirname(dirname(program));
  if (!existsSync(join(root, "pyvenv.cfg"))) return [];
  const versions = readdirSync(join(root, "lib")).filter((name) => name.startsWith("python"));
  return [join(root, "pyvenv.cfg"), ...versions.map((version) => join(root, "lib", version, "site-packages"))];
}

/** A text that changes with the program, with the packages beside it, and with the files that its arguments name. */
function programStamp({ file, args }: Pick<WorkerCommand, "file" | "args">): string {
  const program = placeOf(file);
  const named = args.filter((argument) => !argument.startsWith("-")).map((path) => resolve(path));
  return [program, ...environmentOf(program), ...named].map(stampOf).join("\n");
}

/** Remembers what each worker's program was like on the disk when it was started last. */
export function createProgramWatch(commandOf: (workerId: string) => WorkerCommand) {
  const stamps = new Map<string, string>();
  return {
    note: (workerId: string): void => {
      stamps.set(workerId, programStamp(commandOf(workerId)));
    },
    hasChanged: (workerId: string): boolean => stamps.get(workerId) !== programStamp(commandOf(workerId)),
  };
}
