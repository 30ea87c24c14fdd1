/** The service's log: JSON on stderr, with prompts and secrets struck out by name as a last guard. */
import pino from "pino";

const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** A log writes one event a line: `event`, ids, numbers with units. It never writes a prompt or a token. */
export interface Logger {
  info(line: Readonly<Record<string, unknown>>): void;
  warn(line: Readonly<Record<string, unknown>>): void;
  error(line: Readonly<Record<string, unknown>>): void;
  setLevel(level: LogLevel): void;
}

/** Writes JSON lines on stderr, so that stdout stays for people. */
export function createLogger(options: { readonly level: LogLevel; readonly nowMs: () => number }): Logger {
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"at_ms":${options.nowMs()}`,
      redact: ["prompt", "token", "apiKey", "authorization", "*.prompt", "*.token"],
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: false }),
  );
  return {
    info: (line) => log.info(line),
    warn: (line) => log.warn(line),
    error: (line) => log.error(line),
    setLevel: (level) => {
      log.level = level;
    },
  };
}
