/** What is measured of host, cards and disk, and from which value on it counts. */
import { z } from "zod";
import { amount, decimal, duration, group, oneOf, ratio, wholeNumber } from "./fields.ts";

/** The makers whose cards are measured. */
const cardChoices = ["auto", "nvidia", "amd", "none"] as const;

const levels = (warning: string, critical: string, reason: string) =>
  group({
    warning: ratio(warning).describe(`${reason} From here on a warning.`),
    critical: ratio(critical).describe("From here on critical."),
  }).prefault({});

export const healthSchema = group({
  cards: oneOf(cardChoices)
    .default("auto")
    .describe(
      "Which real cards are measured: auto takes what is there, unless every worker is simulated; none asks no tool.",
    ),
  nvidiaSmi: z
    .string()
    .min(1)
    .max(4_096)
    .default("nvidia-smi")
    .describe("NVIDIA's tool: a name on the PATH, or a path."),
  sample: duration("5s", { min: "100ms", max: "5m" }).describe("Time between two measurements of host and cards."),
  check: duration("60s", { min: "1s", max: "1h" }).describe(
    "Time between two reported checks; a crossed threshold is reported at once.",
  ),
  cpu: levels("80%", "95%", "Share of the CPU in use; inside a container of its limit."),
  memory: levels("80%", "95%", "Share of the memory in use; inside a container of its limit."),
  pressure: levels("10%", "50%", "Share of the time in which every program of the host waits for memory."),
  vram: levels("90%", "95%", "Share of the card's memory in use beside the known need of the running job and model."),
  temperature: group({
    warning: decimal(83, { min: 30, max: 120 }).describe(
      "Degrees Celsius of the hottest card; current cards slow down at about 87. From here on a warning.",
    ),
    critical: decimal(90, { min: 30, max: 120 }).describe("From here on critical."),
  }).prefault({}),
  inodes: levels("5%", "1%", "Share of the file system's inodes that is free; at or below it."),
  entrySamples: wholeNumber(3, { min: 1, max: 100 }).describe(
    "Samples in a row above a threshold until it counts, so that a spike is no issue.",
  ),
  leaveMargin: ratio("5%").describe("How far a value must fall below a threshold until it counts as left."),
  leaveMarginCelsius: decimal(5, { min: 0, max: 50 }).describe("The same for the temperature."),
}).prefault({});

export const diskSchema = group({
  minFree: amount("2GiB", { min: "16MiB", max: "1TiB" }).describe(
    "Below it submissions are refused and nothing is rendered.",
  ),
  warnFree: amount("5GiB", { min: "16MiB", max: "4TiB" }).describe("Below it health shows a warning."),
  ballast: amount("64MiB", { min: "0B", max: "4GiB" }).describe(
    "A file that is given up on a full disk, so that states can still be recorded.",
  ),
})
  .prefault({})
  .transform(({ minFree, warnFree, ballast }) => ({
    minFreeBytes: minFree,
    warnFreeBytes: warnFree,
    ballastBytes: ballast,
  }));
