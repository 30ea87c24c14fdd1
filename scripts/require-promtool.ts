/** Runs before the tests of metrics, rules and dashboard: finds the promtool that judges them. It works without a network. */
import { findProgram, type NeededProgram, type ProgramAnswer, requireProgram } from "./require-program.ts";

const promtool: NeededProgram = {
  need: "The tests of metrics and alerts need promtool",
  names: ["promtool"],
  variable: "PROMTOOL_PATH",
  debianPackage: "prometheus",
};

export const findPromtool = (environment: Readonly<Record<string, string | undefined>>): ProgramAnswer =>
  findProgram(promtool, environment);

if (import.meta.main) process.exitCode = requireProgram(promtool);
