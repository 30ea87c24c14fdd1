/** Runs before the page's tests: finds the Chromium that they drive. */
import { findProgram, type NeededProgram, type ProgramAnswer, requireProgram } from "./require-program.ts";

export type ChromiumAnswer = ProgramAnswer;

const chromium: NeededProgram = {
  need: "The page's tests need a Chromium",
  names: ["chromium", "chromium-browser", "google-chrome"],
  variable: "CHROMIUM_PATH",
  debianPackage: "chromium",
};

export const findChromium = (environment: Readonly<Record<string, string | undefined>>): ChromiumAnswer =>
  findProgram(chromium, environment);

if (import.meta.main) process.exitCode = requireProgram(chromium);
