import type { Logger } from "../../src/telemetry/logger.ts";

const ignore = (): void => undefined;
/** Keeps the output of the tests for what the tests say. */
export const silentLogger: Logger = { info: ignore, warn: ignore, error: ignore, setLevel: ignore };
