/** Draws every statechart into visualizations/; with --check it only compares and fails when one is not current. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { drawAll, listStale } from "./statecharts/draw-all.ts";

const folder = new URL("../visualizations/", import.meta.url);
const wanted = await drawAll();

if (process.argv.includes("--check")) {
  const present = new Map(
    readdirSync(folder).map((name): [string, string] => [name, readFileSync(new URL(name, folder), "utf8")]),
  );
  const stale = listStale(wanted, present);
  for (const sentence of stale) console.error(sentence);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const [name, text] of wanted) writeFileSync(new URL(name, folder), text);
  console.info(`drew ${wanted.size} files into visualizations/`);
}
