/** What was typed → what is wanted. Pure: no file, no process. */
import { parseArgs } from "node:util";
import { type KeyRole, keyRoles } from "../core/words.ts";
import { type JobsOption, type JobsVerb, type JobsWanted, jobsOptions, jobsVerbs, readJobs } from "./jobs-arguments.ts";
import type { TokenOrder, TokenVerb } from "./token-commands.ts";
import { parseWorkerArguments } from "./worker-arguments.ts";

interface Common {
  readonly configPath: string | null;
  /** Dotted setting → text, for `parseConfig`. */
  readonly flags: Readonly<Record<string, string>>;
}

export type Arguments =
  | (Common & { readonly command: "serve" | "drain" | "resume" })
  | (Common & { readonly command: "status" | "doctor"; readonly isJson: boolean })
  | (Common & { readonly command: "jobs"; readonly wanted: JobsWanted })
  | (Common & { readonly command: "pause"; readonly isReleasing: boolean })
  /** Null lists them. */
  | (Common & { readonly command: "drill"; readonly drill: string | null })
  | (Common & {
      readonly command: "models";
      readonly verb: ModelsVerb;
      readonly model: string;
      readonly revision: string | null;
      readonly isAnyway: boolean;
    })
  | (Common & { readonly command: "config"; readonly verb: ConfigVerb; readonly withSources: boolean })
  | (Common & TokenOrder & { readonly command: "token" })
  | (Common & { readonly command: "backup"; readonly targetPath: string })
  | (Common & { readonly command: "replay"; readonly incidentId: string })
  | { readonly command: "worker"; readonly promisesPath: string | null; readonly program: readonly string[] }
  | { readonly command: "help" }
  | { readonly command: "version" }
  /** One sentence; the exit code is 2. */
  | { readonly command: "refused"; readonly message: string };

export type ConfigVerb = "check" | "schema" | "show";
export type ModelsVerb = "list" | "pull" | "verify" | "remove";

const options = {
  host: { type: "string" },
  port: { type: "string", short: "p" },
  "state-dir": { type: "string" },
  config: { type: "string", short: "c" },
  worker: { type: "string" },
  python: { type: "string" },
  device: { type: "string" },
  "sim-gpu": { type: "string" },
  "sim-gpus": { type: "string" },
  "sim-speed": { type: "string" },
  "keep-workers": { type: "boolean" },
  inspect: { type: "boolean" },
  "release-gpu": { type: "boolean" },
  revision: { type: "string" },
  anyway: { type: "boolean" },
  ...jobsOptions,
  json: { type: "boolean" },
  sources: { type: "boolean" },
  role: { type: "string" },
  "allow-origin": { type: "string", multiple: true },
  insecure: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

type OptionName = keyof typeof options;

const settingOf: Partial<Record<OptionName, string>> = {
  host: "host",
  port: "port",
  "state-dir": "stateDir",
  worker: "renderer.kind",
  python: "renderer.python",
  device: "renderer.device",
  "sim-gpu": "sim.gpu",
  "sim-gpus": "sim.gpus",
  "sim-speed": "sim.speed",
  "keep-workers": "keepWorkers",
  inspect: "inspect",
  "allow-origin": "allowedOrigins",
  insecure: "insecure",
};

interface CommandRow {
  readonly usage: string;
  readonly says: string;
  readonly options: readonly OptionName[];
  /** What it cannot do without, beside its flags. */
  readonly operand?: string;
  /** Its first word → whether the operand follows. */
  readonly verbs?: Readonly<Record<string, boolean>>;
}

const serveOptions = [
  "host",
  "port",
  "allow-origin",
  "insecure",
  "state-dir",
  "config",
  "worker",
  "python",
  "device",
  "sim-gpu",
  "sim-gpus",
  "sim-speed",
  "keep-workers",
  "inspect",
] as const satisfies readonly OptionName[];

/** Every command, in the order of the help text. */
const commands = {
  serve: {
    usage: "[serve] [flags]",
    says: "start the service; it tells its address",
    options: serveOptions,
  },
  status: {
    usage: "status [--json]",
    says: "what the running service is doing; 0 when it is ready, 4 when it works with limits",
    options: ["state-dir", "config", "json"],
  },
  jobs: {
    usage: "jobs VERB [PROMPT|ID]",
    says: "submit a prompt, list, or show, cancel or retry a job; docs/jobs.md",
    options: ["state-dir", "config", "json", ...(Object.keys(jobsOptions) as JobsOption[])],
    operand: "list, submit and a prompt, or show, cancel or retry and the id of a job",
    verbs: jobsVerbs,
  },
  drain: {
    usage: "drain",
    says: "accept nothing new; what was accepted is rendered",
    options: ["state-dir", "config"],
  },
  doctor: {
    usage: "doctor [--json]",
    says: "what is there, what is missing and how to get it; takes the flags of serve too",
    options: [...serveOptions, "json"],
  },
  pause: {
    usage: "pause [--release-gpu]",
    says: "let no job begin; with the flag workers end when idle, and their cards are free",
    options: ["state-dir", "config", "release-gpu"],
  },
  resume: { usage: "resume", says: "end a pause or a drain", options: ["state-dir", "config"] },
  drill: {
    usage: "drill list|run NAME",
    says: "do a fault to the running service, and score what follows; 1 when it is not passed",
    options: ["state-dir", "config"],
    operand: "list, or run and the name of a drill",
    verbs: { list: false, run: true },
  },
  models: {
    usage: "models VERB [MODEL]",
    says: "list, pull, verify or remove; MODEL is an id of the list, or org/name of the hub",
    options: ["state-dir", "config", "revision", "anyway"],
    operand: "list, or pull, verify or remove and the name of a model",
    verbs: { list: false, pull: true, verify: true, remove: true },
  },
  config: {
    usage: "config VERB",
    says: "check: is it sound, with these flags? show: what is in force; schema: as JSON Schema",
    options: [...serveOptions, "sources"],
    operand: "check, show or schema",
    verbs: { check: false, show: false, schema: false },
  },
  replay: {
    usage: "replay INCIDENT",
    says: "an incident once more, step by step; 1 when a step differs from its row",
    options: ["state-dir", "config"],
    operand: "the id of an incident",
  },
  token: {
    usage: "token VERB [KEY]",
    says: "create, list or revoke keys; create needs --role",
    options: ["state-dir", "config", "role", "label"],
    operand: "create, list, or revoke and the id of a key",
    verbs: { create: false, list: false, revoke: true },
  },
  backup: {
    usage: "backup PATH",
    says: "a consistent copy of the database, while the service runs",
    options: ["state-dir", "config"],
    operand: "the path of the copy",
  },
} as const satisfies Record<string, CommandRow>;
type Command = keyof typeof commands;

/** Its arguments are parsed apart: most of them belong to another program. */
const workerUsage = {
  usage: "worker check COMMAND",
  says: "hold any worker to the protocol: what holds, what is broken, what is unsupported",
};

const usageLines = [...Object.values(commands), workerUsage]
  .map(({ usage, says }) => `  understudy ${usage.padEnd(22)} ${says}`)
  .join("\n");

export const helpText = `understudy: keeps a generative-video service answering while models, GPU, worker, host or network fail

Usage
${usageLines}

Flags of serve
  -p, --port PORT         port to listen on; 0 takes a free one (9000)
      --host HOST         address to listen on; others than loopback need a key: understudy token create (127.0.0.1)
      --allow-origin URL  a web page of another origin that may call the service; may be repeated
      --insecure          lets everybody who reaches the address do everything, without any key
      --worker KIND       what renders: simulator or diffusers (simulator)
      --python PATH       interpreter of the diffusers worker (what npm run worker:install made)
      --device DEVICE     where it renders: auto, cuda or cpu (auto)
      --sim-gpu CARD      card that the simulator plays: sim80, rtx4090, a100, h100 or h200 (sim80)
      --sim-gpus NUMBER   how many such cards, one worker each (1)
      --sim-speed NUMBER  how fast it plays; 1 takes 2 % of a real H100's time (1)
      --keep-workers      on SIGTERM renders go on, and the next start takes them up
      --inspect           let the Stately Inspector watch the machines, from this computer only

Flags of jobs submit (retry takes --wait and --key, list takes --label and --model)
      --wait              follow it to its end: a bar on a terminal, a line per 10 % elsewhere; Ctrl-C leaves the job running
      --model MODEL, --size 1280x720, --frames N, --fps N, --steps N, --seed N, --image FILE
      --lora FILE[:0.8]   a LoRA below models.loraDir and its strength; once for each
      --fallback CONSENT  stand_in_then_real, wait, fail or stand_in
      --allow LIST        of frames, resolution, alternative_model
      --priority N, --deadline 2h, --label LABEL, --webhook URL, --key IDEMPOTENCY-KEY
Flags of jobs list
      --state LIST, --since 2026-11-23T17:40:00Z, --limit N
Flags of jobs and status
      --json              the service's own answer on stdout

Flags of models pull and verify
      --revision REV      branch, tag or commit of the model (what the registry says, or main)
      --anyway            pull a model that this machine cannot carry

Flags of worker check, before the command
      --promises FILE     what the worker promises beyond the protocol, as JSON (worker/README.md)

Flags of token create
      --role ROLE         what the key may do: viewer looks, submitter also submits and cancels, operator does everything
      --label TEXT        what the key is for

Flags of config: those of serve, and
      --sources           show tells who set what

Flags of all commands
      --state-dir DIR     database, videos and run files ($XDG_STATE_HOME/understudy or ~/.local/state/understudy)
  -c, --config FILE       settings as YAML or JSON; also UNDERSTUDY_CONFIG
  -h, --help              this text
  -v, --version           the version

Every setting has an environment variable too (UNDERSTUDY_PORT, UNDERSTUDY_STAND_IN_AFTER, ...).
A flag wins over the environment, the environment over the file, the file over the default. docs/configuration.md lists all.

Exit codes: 0 all right, 1 it failed, 2 it was not understood, 3 no service answers, 4 it works with limits (status) or a stand-in
is all there is (jobs submit --wait), 130 Ctrl-C.
`;

const refuse = (message: string): Arguments => ({
  command: "refused",
  message: `understudy: ${message}; --help lists what there is.`,
});

const isCommand = (word: string): word is Command => Object.hasOwn(commands, word);

interface Token {
  readonly kind: string;
  readonly name?: string;
  readonly rawName?: string;
  readonly value?: string | boolean | undefined;
}

/** The first thing wrong with one typed flag; null when it is fine for this command. */
function problemOf({ name = "", rawName = "", value }: Token, command: Command): string | null {
  if (!Object.hasOwn(options, name)) return `there is no flag ${rawName}`;
  const option = name as OptionName;
  const isSwitch = options[option].type === "boolean";
  if (isSwitch && value !== undefined) return `${rawName} takes no value`;
  if (!isSwitch && (value === undefined || value === "" || String(value).startsWith("--")))
    return `${rawName} needs a value`;
  if (option === "help" || option === "version") return null;
  const taken: readonly OptionName[] = commands[command].options;
  return taken.includes(option) ? null : `${command} does not take ${rawName}`;
}

interface Given {
  readonly verb: string;
  readonly operand: string;
  readonly isReleasing: boolean;
  readonly revision: string | null;
  readonly isAnyway: boolean;
  readonly isJson: boolean;
  readonly role: KeyRole;
  readonly label: string;
  readonly withSources: boolean;
}

/** The command with what was given to it; verb and operand are there where its row asks for them. */
function wantedOf(command: Exclude<Command, "jobs">, given: Given, common: Common): Arguments {
  const { verb, operand, isReleasing, revision, isAnyway, isJson, role, label, withSources } = given;
  switch (command) {
    case "status":
    case "doctor":
      return { command, isJson, ...common };
    case "token":
      return { command, verb: verb as TokenVerb, keyId: operand, role, label, ...common };
    case "pause":
      return { command, isReleasing, ...common };
    case "drill":
      return { command, drill: verb === "list" ? null : operand, ...common };
    case "models":
      return { command, verb: verb as ModelsVerb, model: operand, revision, isAnyway, ...common };
    case "config":
      return { command, verb: verb as ConfigVerb, withSources, ...common };
    case "replay":
      return { command, incidentId: operand, ...common };
    case "backup":
      return { command, targetPath: operand, ...common };
    default:
      return { command, ...common };
  }
}

function parseWorker(argv: readonly string[]): Arguments {
  const parsed = parseWorkerArguments(argv);
  if (parsed.kind === "refused") return refuse(parsed.message);
  return parsed.kind === "help"
    ? { command: "help" }
    : { command: "worker", promisesPath: parsed.promisesPath, program: parsed.program };
}

/** `argv` without the program's own two entries. */
export function parseArguments(argv: readonly string[]): Arguments {
  if (argv[0] === "worker") return parseWorker(argv.slice(1));
  const { values, positionals, tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const [first = "serve", ...rest] = positionals;
  const command = isCommand(first) ? first : "serve";
  for (const token of tokens) {
    const problem = token.kind === "option" ? problemOf(token, command) : null;
    if (problem !== null) return refuse(problem);
  }
  if (!isCommand(first)) return refuse(`there is no command ${first}`);
  if (values.help === true) return { command: "help" };
  if (values.version === true) return { command: "version" };
  const { operand: missing, verbs }: CommandRow = commands[first];
  const verb = verbs === undefined ? "" : (rest.shift() ?? "");
  if (verbs !== undefined && !Object.hasOwn(verbs, verb)) return refuse(`${first} needs ${missing}`);
  const hasOperand = verbs === undefined ? missing !== undefined : verbs[verb] === true;
  const [operand, ...surplus] = hasOperand ? rest : ["", ...rest];
  if (operand === undefined) return refuse(`${first} needs ${missing}`);
  if (surplus[0] !== undefined) return refuse(`${first} takes no ${surplus[0]}`);
  const configPath = typeof values.config === "string" ? values.config : null;
  const given = Object.entries(settingOf).filter(([name]) => values[name as OptionName] !== undefined);
  const flags = Object.fromEntries(given.map(([name, setting]) => [setting, String(values[name as OptionName])]));
  const revision = typeof values.revision === "string" ? values.revision : null;
  const isAnyway = values.anyway === true;
  if (revision !== null && verb !== "pull" && verb !== "verify")
    return refuse(`models ${verb} does not take --revision`);
  if (isAnyway && verb !== "pull") return refuse(`models ${verb} does not take --anyway`);
  if (first === "jobs") {
    const wanted = readJobs(verb as JobsVerb, operand, values);
    return typeof wanted === "string" ? refuse(wanted) : { command: first, wanted, configPath, flags };
  }
  const withSources = values.sources === true;
  if (withSources && verb !== "show") return refuse(`config ${verb} does not take --sources`);
  const role = keyRoles.find((known) => known === values.role);
  if (verb === "create" && role === undefined) return refuse(`token create needs --role ${keyRoles.join(", ")}`);
  if (verb !== "create" && (values.role ?? values.label) !== undefined)
    return refuse(`token ${verb} takes no --role and no --label`);
  const typed: Given = {
    verb,
    operand,
    isReleasing: values["release-gpu"] === true,
    revision,
    isAnyway,
    isJson: values.json === true,
    role: role ?? "viewer",
    label: String(values.label ?? "").slice(0, 200),
    withSources,
  };
  return wantedOf(first, typed, { configPath, flags });
}
