/** The command line's entry: arguments → order → command. One sentence and a non-zero exit when it cannot. */
import { readFileSync } from "node:fs";
import { parseArguments } from "./cli/arguments.ts";
import { carryOut } from "./cli/carry-out.ts";
import { exitCodes } from "./cli/exit-codes.ts";
import { UnderstudyError } from "./core/errors.ts";
import { packageRoot } from "./core/package-root.ts";

function readVersion(): string {
  const text = readFileSync(new URL("package.json", packageRoot), "utf8");
  return String((JSON.parse(text) as { version: string }).version);
}

async function run(argv: readonly string[]): Promise<number> {
  const wanted = await parseArguments(argv);
  switch (wanted.command) {
    case "help":
      process.stdout.write(wanted.text);
      return exitCodes.ok;
    case "version":
      process.stdout.write(`${readVersion()}\n`);
      return exitCodes.ok;
    case "refused":
      process.stderr.write(`${wanted.message}\n`);
      return exitCodes.usage;
    default:
      return carryOut(wanted, readVersion());
  }
}

try {
  process.exit(await run(process.argv.slice(2)));
} catch (thrown) {
  if (!(thrown instanceof UnderstudyError)) throw thrown;
  process.stderr.write(`understudy: ${thrown.message}\n`);
  process.exit(thrown.code === "SERVICE_UNREACHABLE" ? exitCodes.unreachable : exitCodes.failed);
}
