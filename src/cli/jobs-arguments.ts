/** Flags of `understudy jobs …` → what the service is asked. Pure. */
import { ifAny, ifKnown, present } from "../core/present.ts";
import { parseDurationMs } from "../core/units.ts";

export const jobsVerbs = { submit: true, list: false, show: true, cancel: true, retry: true } as const;
export type JobsVerb = keyof typeof jobsVerbs;

export const jobsOptions = {
  model: { type: "string" },
  size: { type: "string" },
  frames: { type: "string" },
  fps: { type: "string" },
  steps: { type: "string" },
  seed: { type: "string" },
  image: { type: "string" },
  lora: { type: "string", multiple: true },
  fallback: { type: "string" },
  allow: { type: "string" },
  priority: { type: "string" },
  deadline: { type: "string" },
  label: { type: "string", multiple: true },
  webhook: { type: "string" },
  key: { type: "string" },
  state: { type: "string" },
  since: { type: "string" },
  limit: { type: "string" },
  wait: { type: "boolean" },
} as const;
export type JobsOption = keyof typeof jobsOptions;

/** Which flags each verb takes, besides those of every command. */
export const optionsOfVerb: Readonly<Record<JobsVerb, readonly JobsOption[]>> = {
  submit: [
    "model",
    "size",
    "frames",
    "fps",
    "steps",
    "seed",
    "image",
    "lora",
    "fallback",
    "allow",
    "priority",
    "deadline",
    "label",
    "webhook",
    "key",
    "wait",
  ],
  list: ["state", "label", "model", "since", "limit"],
  show: [],
  cancel: [],
  retry: ["key", "wait"],
};

export interface JobsWanted {
  readonly verb: JobsVerb;
  /** The prompt of a submission, the id of a job; empty for a list. */
  readonly operand: string;
  /** What the submission says, in the words of the route. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** What a list is narrowed to, in the words of the route. */
  readonly query: Readonly<Record<string, string>>;
  /** A file whose bytes become `image`. */
  readonly imagePath: string | null;
  readonly idempotencyKey: string | null;
  readonly isWaiting: boolean;
  readonly isJson: boolean;
}

export type GivenOptions = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

const texts = (value: GivenOptions[string]): string[] =>
  (Array.isArray(value) ? value : [value])
    .filter((text) => typeof text === "string")
    .flatMap((text) => text.split(","));

/** Numbers become numbers; what is none is sent as it is, and the service says what is wrong with it. */
const numberOf = (text: string): string | number => (/^-?\d{1,15}(?:\.\d{1,15})?$/.test(text) ? Number(text) : text);

const plainFields = { model: "model", size: "size", fallback: "fallback" } as const;
const numberFields = {
  frames: "frames",
  fps: "frames_per_second",
  steps: "steps",
  seed: "seed",
  priority: "priority",
} as const;

/** `name` or `name:strength`. */
function loraOf(text: string): Record<string, unknown> {
  const [, name = text, strength] = /^(.*):([^:]*)$/.exec(text) ?? [];
  return strength === undefined ? { name } : { name, strength: numberOf(strength) };
}

function fieldsOf(given: GivenOptions, prompt: string): Record<string, unknown> {
  const deadlineMs = given["deadline"] === undefined ? undefined : parseDurationMs(String(given["deadline"]));
  const named = (table: Readonly<Record<string, string>>, read: (text: string) => unknown) =>
    Object.entries(table).flatMap(([option, field]) =>
      given[option] === undefined ? [] : [[field, read(String(given[option]))]],
    );
  return {
    prompt,
    ...Object.fromEntries([...named(plainFields, (text) => text), ...named(numberFields, numberOf)]),
    ...present({
      loras: ifKnown(given["lora"], texts)?.map(loraOf),
      allow: ifKnown(given["allow"], texts),
      labels: ifKnown(given["label"], texts),
      webhook: ifKnown(given["webhook"], (url) => ({ url: String(url) })),
      deadline_ms: ifKnown(deadlineMs, Math.round),
    }),
  };
}

function queryOf(given: GivenOptions): Record<string, string> {
  const names = ["state", "model", "since", "limit"];
  const labels = texts(given["label"]);
  return {
    ...Object.fromEntries(names.flatMap((name) => (given[name] === undefined ? [] : [[name, String(given[name])]]))),
    ...present({ label: ifAny(labels)?.join(",") }),
  };
}

/** One sentence, without its beginning, where the flags do not fit; the verb is one of the list. */
export function readJobs(verb: JobsVerb, operand: string, given: GivenOptions): JobsWanted | string {
  const foreign = (Object.keys(jobsOptions) as JobsOption[]).find(
    (name) => given[name] !== undefined && !optionsOfVerb[verb].includes(name),
  );
  if (foreign !== undefined) return `jobs ${verb} does not take --${foreign}`;
  if (given["deadline"] !== undefined && parseDurationMs(String(given["deadline"])) === undefined)
    return "--deadline needs a time with its unit, such as 2h";
  const textOr = (name: string): string | null => (typeof given[name] === "string" ? given[name] : null);
  return {
    verb,
    operand,
    fields: verb === "submit" ? fieldsOf(given, operand) : {},
    query: verb === "list" ? queryOf(given) : {},
    imagePath: textOr("image"),
    idempotencyKey: textOr("key"),
    isWaiting: given["wait"] === true,
    isJson: given["json"] === true,
  };
}
