/** Settings that had another name once: whoever still writes that one is told the new one. */
import { environmentNameOf } from "./setting-names.ts";

/** Former name → the name of today. */
const formerNames: ReadonlyMap<string, string> = new Map([["recovery.breakerFaults", "recovery.breakerRepairs"]]);

const byEnvironmentName: ReadonlyMap<string, string> = new Map(
  [...formerNames].map(([former, today]) => [environmentNameOf(former), environmentNameOf(today)]),
);

export const presentNameOf = (path: string): string | null => formerNames.get(path) ?? null;

export const presentVariableOf = (name: string): string | null =>
  byEnvironmentName.get(name.replaceAll("__", "_")) ?? null;
