/** Workers: what each one is, and what flags say of all of them. */
import { z } from "zod";
import { modelIds, modelNamePattern } from "../core/words.ts";
import { decimal, group, listOf, numberBetween, oneOf } from "./fields.ts";

/** Cards that the simulator can play. */
export const simulatedGpus = ["sim80", "rtx4090", "a100", "h100", "h200"] as const;
export type SimulatedGpu = (typeof simulatedGpus)[number];

/** Whether there is such a model is known when the registry file has been read. */
export const modelName = z.string().regex(modelNamePattern, "must be the name of a model");

const workerKinds = ["simulator", "diffusers", "own"] as const;

export const workerSchema = group({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 small letters, digits and hyphens")
    .describe("Names the worker in files, events and answers."),
  kind: oneOf(workerKinds)
    .default("simulator")
    .describe(
      "What renders. The simulator needs no GPU and labels all that it makes; diffusers is the Python worker that renders; own is the program that command names.",
    ),
  command: listOf(z.string().min(1).max(4_096))
    .prefault([])
    .describe("Program and arguments of a worker of your own, started without a shell; worker/README.md."),
  python: z
    .string()
    .min(1)
    .max(4_096)
    .nullable()
    .default(null)
    .describe("Interpreter of the diffusers worker; without it the one that `npm run worker:install` made."),
  device: oneOf(["auto", "cuda", "cpu"])
    .default("auto")
    .describe("Where the diffusers worker renders; auto takes a card when there is one."),
  gpu: oneOf(simulatedGpus).default("sim80").describe("The card that the simulator plays; sim80 has 80 GiB."),
  speed: decimal(1, { min: 0.01, max: 1_000 }).describe(
    "Multiplier of the simulator's speed; 1 takes 2 % of a real H100's time.",
  ),
  fault: z
    .string()
    .max(2_000)
    .default("")
    .describe("Faults that the simulator plays, such as `oom@denoise:12`, separated by commas."),
  gpus: listOf(z.int().min(0).max(63))
    .prefault([])
    .describe(
      "Numbers of cards: one worker each, the number appended to its id. Without them one worker with this very id.",
    ),
  models: listOf(modelName)
    .prefault([...modelIds])
    .describe("Models that this worker may load."),
});

/**
 * What the flags `--sim-gpu` and `--sim-speed` set; it goes over every simulated worker, also those that the file
 * lists.
 */
export const simSchema = group({
  gpu: oneOf(simulatedGpus).optional().describe("The card of every simulated worker."),
  gpus: numberBetween({ min: 1, max: 16 })
    .refine(Number.isInteger, "must be a whole number")
    .optional()
    .describe("How many cards the first worker's entry stands for, one worker each."),
  speed: numberBetween({ min: 0.01, max: 1_000 }).optional().describe("The speed of every simulated worker."),
  fault: z.string().max(2_000).optional().describe("The faults of every simulated worker."),
}).prefault({});

/**
 * What the flags `--worker`, `--python` and `--device` set; it goes over every worker, also those that the file lists.
 */
export const rendererSchema = group({
  kind: oneOf(workerKinds).optional().describe("What renders, for every worker."),
  python: z.string().min(1).max(4_096).optional().describe("The interpreter of every diffusers worker."),
  device: oneOf(["auto", "cuda", "cpu"]).optional().describe("Where every diffusers worker renders."),
}).prefault({});

type WorkerSettings = z.output<typeof workerSchema>;

/** One entry a process: an entry with several cards becomes as many workers. */
export function expandWorkers(
  workers: readonly WorkerSettings[],
  firstCount: number | undefined,
): readonly (Omit<WorkerSettings, "gpus"> & { readonly cardNumber: number | null })[] {
  return workers.flatMap(({ gpus, ...worker }, place) => {
    const numbers =
      place === 0 && firstCount !== undefined && firstCount > 1
        ? Array.from({ length: firstCount }, (_, number) => number)
        : gpus;
    const cards: readonly (number | null)[] = numbers.length === 0 ? [null] : numbers;
    return cards.map((cardNumber) => {
      const id = cardNumber === null ? worker.id : `${worker.id.replace(/-\d+$/, "")}-${cardNumber}`;
      return { ...worker, cardNumber, id };
    });
  });
}
