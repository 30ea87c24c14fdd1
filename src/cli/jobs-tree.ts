/** `understudy jobs …`: its flags, and what they ask of the service. */
import { buildCommand, buildRouteMap, type FlagParametersForType } from "@stricli/core";
import { parseDurationMs } from "../core/units.ts";
import { fallbackConsents, jobStates, reductionKinds } from "../core/words.ts";
import {
  type JsonFlag,
  jsonFlag,
  operand,
  originOf,
  type PlaceFlags,
  placeAliases,
  placeFlags,
  toggle,
  value,
  values,
} from "./flags.ts";
import type { JobsVerb, JobsWanted, Order } from "./orders.ts";
import type { Parsing } from "./parsing.ts";

interface CommonFlags extends PlaceFlags, JsonFlag {}
interface EnterFlags extends CommonFlags {
  readonly wait: boolean | undefined;
  readonly key: string | undefined;
}
interface SubmitFlags extends EnterFlags {
  readonly model: string | undefined;
  readonly size: string | undefined;
  readonly frames: string | undefined;
  readonly fps: string | undefined;
  readonly steps: string | undefined;
  readonly seed: string | undefined;
  readonly image: string | undefined;
  readonly lora: readonly string[] | undefined;
  readonly fallback: string | undefined;
  readonly allow: string | undefined;
  readonly priority: string | undefined;
  /** The deadline in milliseconds from now. */
  readonly deadline: number | undefined;
  readonly label: readonly string[] | undefined;
  readonly webhook: string | undefined;
}
interface ListFlags extends CommonFlags {
  readonly state: string | undefined;
  readonly label: readonly string[] | undefined;
  readonly model: string | undefined;
  readonly since: string | undefined;
  readonly limit: string | undefined;
}

function durationMs(typed: string): number {
  const ms = parseDurationMs(typed);
  if (ms === undefined) throw new Error("needs a time with its unit, such as 2h");
  return Math.round(ms);
}

const commonFlags: FlagParametersForType<CommonFlags> = { ...jsonFlag, ...placeFlags };
const enterFlags: FlagParametersForType<EnterFlags> = {
  wait: toggle("follow it to its end: a bar on a terminal, a line per 10 % elsewhere; Ctrl-C leaves the job running"),
  key: value("IDEMPOTENCY-KEY", "the same key again is the same job, not another one"),
  ...commonFlags,
};
const submitFlags: FlagParametersForType<SubmitFlags> = {
  model: value("MODEL", "what renders it (the main model)"),
  size: value("SIZE", "width and height, such as 1280x720"),
  frames: value("N", "how many frames"),
  fps: value("N", "frames per second"),
  steps: value("N", "how many steps of denoising"),
  seed: value("N", "the same seed makes the same video"),
  image: value("FILE", "a picture from which the video begins"),
  lora: values("FILE[:0.8]", "a LoRA below models.loraDir and its strength; once for each"),
  fallback: value(
    "CONSENT",
    `${fallbackConsents.slice(0, -1).join(", ")} or ${fallbackConsents.at(-1)}`,
    fallbackConsents,
  ),
  allow: value("LIST", `what may be reduced, of ${reductionKinds.join(", ")}`, reductionKinds),
  priority: value("N", "higher ones come first"),
  deadline: { ...value("TIME", "how long it may take, such as 2h"), parse: durationMs },
  label: values("LABEL", "finds it again in a list; several times, or with commas between them"),
  webhook: value("URL", "is told when it ends"),
  ...enterFlags,
};
const listFlags: FlagParametersForType<ListFlags> = {
  state: value("LIST", "in one of these states", jobStates),
  label: values("LABEL", "with all of these labels"),
  model: value("MODEL", "of this model"),
  since: value("TIME", "submitted since then, such as 2026-11-23T17:40:00Z"),
  limit: value("N", "how many at most (20)"),
  ...commonFlags,
};

const listed = (texts: readonly string[]): string[] => texts.flatMap((text) => text.split(","));

/** Numbers become numbers; any other text is sent as it is, and the service says what is wrong with it. */
const numberOf = (text: string): string | number => (/^-?\d{1,15}(?:\.\d{1,15})?$/.test(text) ? Number(text) : text);

/** Reads `name` or `name:strength`. */
function loraOf(text: string): Record<string, unknown> {
  const [, name = text, strength] = /^(.*):([^:]*)$/.exec(text) ?? [];
  return strength === undefined ? { name } : { name, strength: numberOf(strength) };
}

/** A flag that was not given makes no field: then the service's own default holds. */
const given = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined));

const mapped = <T, U>(typed: T | undefined, read: (typed: T) => U): U | undefined =>
  typed === undefined ? undefined : read(typed);

const fieldsOf = (flags: SubmitFlags, prompt: string): Record<string, unknown> =>
  given({
    prompt,
    model: flags.model,
    size: flags.size,
    fallback: flags.fallback,
    frames: mapped(flags.frames, numberOf),
    frames_per_second: mapped(flags.fps, numberOf),
    steps: mapped(flags.steps, numberOf),
    seed: mapped(flags.seed, numberOf),
    priority: mapped(flags.priority, numberOf),
    loras: mapped(flags.lora, (texts) => listed(texts).map(loraOf)),
    allow: mapped(flags.allow, (text) => listed([text])),
    labels: mapped(flags.label, listed),
    webhook: mapped(flags.webhook, (url) => ({ url })),
    deadline_ms: flags.deadline,
  });

function queryOf({ state, model, since, limit, label }: ListFlags): Record<string, string> {
  const asked = { state, model, since, limit, label: mapped(label, (texts) => listed(texts).join(",")) };
  return Object.fromEntries(
    Object.entries(asked).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
  );
}

function orderOf(flags: CommonFlags, verb: JobsVerb, wanted: Partial<JobsWanted>): Order<"jobs"> {
  const nothing = { operand: "", fields: {}, query: {}, imagePath: null, idempotencyKey: null, isWaiting: false };
  return {
    command: "jobs",
    wanted: { ...nothing, ...wanted, verb, isJson: flags.json === true },
    ...originOf(flags),
  };
}

const entered = ({ key, wait }: EnterFlags) => ({ idempotencyKey: key ?? null, isWaiting: wait === true });
const jobId = operand("ID", "the id of a job; understudy jobs list shows them");

const submit = buildCommand<SubmitFlags, [string], Parsing>({
  func(flags, prompt) {
    const wanted = { operand: prompt, fields: fieldsOf(flags, prompt), imagePath: flags.image ?? null };
    this.want(orderOf(flags, "submit", { ...wanted, ...entered(flags) }));
  },
  parameters: { flags: submitFlags, aliases: placeAliases, positional: operand("PROMPT", "what the video shows") },
  docs: {
    brief: "submit a prompt; docs/jobs.md",
    fullDescription: `Examples
  understudy jobs submit "a red fox runs across fresh snow" --size 854x480 --steps 20 --wait
  understudy jobs submit "a heron lands" --fallback wait --deadline 2h --label nightly --json`,
  },
});

const list = buildCommand<ListFlags, [], Parsing>({
  func(flags) {
    this.want(orderOf(flags, "list", { query: queryOf(flags) }));
  },
  parameters: { flags: listFlags, aliases: placeAliases },
  docs: {
    brief: "jobs, newest first",
    fullDescription: `Examples
  understudy jobs list --state failed,cancelled --limit 5
  understudy jobs list --label nightly --json`,
  },
});

const about = (verb: "show" | "cancel", brief: string) =>
  buildCommand<CommonFlags, [string], Parsing>({
    func(flags, id) {
      this.want(orderOf(flags, verb, { operand: id }));
    },
    parameters: { flags: commonFlags, aliases: placeAliases, positional: jobId },
    docs: { brief },
  });

const retry = buildCommand<EnterFlags, [string], Parsing>({
  func(flags, id) {
    this.want(orderOf(flags, "retry", { operand: id, ...entered(flags) }));
  },
  parameters: { flags: enterFlags, aliases: placeAliases, positional: jobId },
  docs: { brief: "what failed or was cancelled, once more" },
});

export const jobs = buildRouteMap<JobsVerb, Parsing>({
  routes: {
    submit,
    list,
    show: about("show", "a job with its attempts, changes and files"),
    cancel: about("cancel", "end a job: a waiting one at once"),
    retry,
  },
  docs: { brief: "submit a prompt, list, or show, cancel or retry a job; docs/jobs.md" },
});
