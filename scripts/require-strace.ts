/** Runs before the tests of what is on the disk: finds the strace that looks on. It works without a network. */
import { findProgram, type NeededProgram, type ProgramAnswer, requireProgram } from "./require-program.ts";

const strace: NeededProgram = {
  need: "The tests of what is on the disk need strace",
  names: ["strace"],
  variable: "STRACE_PATH",
  debianPackage: "strace",
};

export const findStrace = (environment: Readonly<Record<string, string | undefined>>): ProgramAnswer =>
  findProgram(strace, environment);

if (import.meta.main) process.exitCode = requireProgram(strace);
