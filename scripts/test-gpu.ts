/**
 * The real worker on a real card: `npm run test:gpu`. Where PyTorch finds no CUDA device it says so and ends with 75, which is
 * neither success nor failure: nothing was tested.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const python = join(root, ".venv", "bin", "python");
const notPossible = 75;
const question = "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '')";

function endUntested(reason: string): never {
  console.error(`test:gpu: ${reason}; nothing was tested.`);
  process.exit(notPossible);
}

if (!existsSync(python))
  endUntested(".venv is missing, and `npm run worker:install` makes it (about 3 minutes, 6 GiB)");
const { status, stdout, stderr } = spawnSync(python, ["-B", "-c", question], { encoding: "utf8" });
if (status !== 0)
  endUntested(`PyTorch cannot be asked for a card (${stderr.trim().split("\n").at(-1) ?? "no reason given"})`);
const card = stdout.trim();
if (card === "") endUntested("PyTorch finds no CUDA device on this machine");
if (spawnSync("nvidia-smi", ["-L"]).status !== 0)
  endUntested("nvidia-smi does not answer, and the card's memory is measured by it");
console.log(`test:gpu: on ${card}`);
const vitest = [join(root, "node_modules", "vitest", "vitest.mjs"), "run", "--project", "gpu"];
process.exitCode = spawnSync(process.execPath, vitest, { cwd: root, stdio: "inherit" }).status ?? 1;
