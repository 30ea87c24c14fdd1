/** Checks who imports whom, and that every source file was looked at: `node scripts/check-arrows.ts`. */
import { createRequire } from "node:module";
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from "dependency-cruiser";
import { isTypeScript, listFiles } from "./rules/source-files.ts";

export interface ArrowReport {
  readonly cruisedCount: number;
  /** Each reads `rule: from → to`. */
  readonly violations: readonly string[];
  /** Source files that were not looked at; a check that looked at nothing must not be green. */
  readonly uncruised: readonly string[];
}

interface CruiserConfig extends IFlattenedRuleSet {
  readonly options: Readonly<Record<string, unknown>>;
}

const config = createRequire(import.meta.url)("../.dependency-cruiser.cjs") as CruiserConfig;

export function findUncruised(listed: readonly string[], cruised: ReadonlySet<string>): readonly string[] {
  return listed.filter((path) => !cruised.has(path));
}

/** Looks at `<root>/src`. */
export async function checkArrows(root: string): Promise<ArrowReport> {
  const { options, ...ruleSet } = config;
  const listed = listFiles(root, ["src"], isTypeScript);
  const { output } = await cruise(["src"], { ...options, baseDir: root, validate: true, ruleSet });
  const { modules, summary } = output as ICruiseResult;
  const cruised = new Set(modules.filter((module) => module.source.startsWith("src/")).map((module) => module.source));
  return {
    cruisedCount: cruised.size,
    violations: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`),
    uncruised: findUncruised(listed, cruised),
  };
}

if (import.meta.main) {
  const { cruisedCount, violations, uncruised } = await checkArrows(new URL("..", import.meta.url).pathname);
  for (const violation of violations) console.error(`arrow: ${violation}`);
  for (const path of uncruised) console.error(`not looked at: ${path}`);
  console.log(`arrows: ${cruisedCount} files, ${violations.length} violations, ${uncruised.length} not looked at`);
  if (violations.length + uncruised.length > 0 || cruisedCount === 0) process.exitCode = 1;
}
