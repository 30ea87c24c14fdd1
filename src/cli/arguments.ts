/** What was typed → what is wanted. Pure: no file, no process. */
import { parseArgs } from "node:util";

export type Arguments =
  | {
      readonly command: "serve";
      readonly configPath: string | null;
      /** Dotted setting → text, for `parseConfig`. */
      readonly flags: Readonly<Record<string, string>>;
    }
  | { readonly command: "status"; readonly configPath: string | null; readonly flags: Readonly<Record<string, string>> }
  | {
      readonly command: "backup";
      readonly targetPath: string;
      readonly configPath: string | null;
      readonly flags: Readonly<Record<string, string>>;
    }
  | {
      readonly command: "replay";
      readonly incidentId: string;
      readonly configPath: string | null;
      readonly flags: Readonly<Record<string, string>>;
    }
  | { readonly command: "help" }
  | { readonly command: "version" }
  /** One sentence; the exit code is 2. */
  | { readonly command: "refused"; readonly message: string };

const commands = ["serve", "status", "backup", "replay"] as const;
type Command = (typeof commands)[number];

const options = {
  host: { type: "string" },
  port: { type: "string", short: "p" },
  "state-dir": { type: "string" },
  config: { type: "string", short: "c" },
  "sim-gpu": { type: "string" },
  "sim-gpus": { type: "string" },
  "sim-speed": { type: "string" },
  "keep-workers": { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

type OptionName = keyof typeof options;

const settingOf: Partial<Record<OptionName, string>> = {
  host: "host",
  port: "port",
  "state-dir": "stateDir",
  "sim-gpu": "sim.gpu",
  "sim-gpus": "sim.gpus",
  "sim-speed": "sim.speed",
  "keep-workers": "keepWorkers",
};

const optionsOf: Readonly<Record<Command, readonly OptionName[]>> = {
  serve: ["host", "port", "state-dir", "config", "sim-gpu", "sim-gpus", "sim-speed", "keep-workers"],
  status: ["state-dir", "config"],
  backup: ["state-dir", "config"],
  replay: ["state-dir", "config"],
};

export const helpText = `understudy: keeps a generative-video service answering while models, GPU, worker, host or network fail

Usage
  understudy [serve] [flags]     start the service; it tells its address
  understudy status              what the running service is doing
  understudy backup PATH         a consistent copy of the database, while the service runs
  understudy replay INCIDENT     an incident once more, step by step; 1 when a step differs from its row

Flags of serve
  -p, --port PORT         port to listen on; 0 takes a free one (9000)
      --host HOST         address to listen on; others than loopback need a key in UNDERSTUDY_API_KEY (127.0.0.1)
      --sim-gpu CARD      card that the simulator plays: sim80, rtx4090, a100, h100 or h200 (sim80)
      --sim-gpus NUMBER   how many such cards, one worker each (1)
      --sim-speed NUMBER  how fast it plays; 1 takes 2 % of a real H100's time (1)
      --keep-workers      on SIGTERM renders go on, and the next start takes them up

Flags of all commands
      --state-dir DIR     database, videos and run files ($XDG_STATE_HOME/understudy or ~/.local/state/understudy)
  -c, --config FILE       settings as JSON; also UNDERSTUDY_CONFIG
  -h, --help              this text
  -v, --version           the version

Every setting has an environment variable too (UNDERSTUDY_PORT, UNDERSTUDY_STAND_IN_AFTER, ...).
A flag wins over the environment, the environment over the file, the file over the default. docs/configuration.md lists all.

Exit codes: 0 all right, 1 it failed, 2 it was not understood.
`;

const refuse = (message: string): Arguments => ({ command: "refused", message: `understudy: ${message}; --help lists what there is.` });

const isCommand = (word: string): word is Command => (commands as readonly string[]).includes(word);

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
  if (!isSwitch && (value === undefined || value === "" || String(value).startsWith("--"))) return `${rawName} needs a value`;
  if (option === "help" || option === "version") return null;
  return optionsOf[command].includes(option) ? null : `${command} does not take ${rawName}`;
}

/** What a command cannot do without, beside its flags. */
const missingOf: Partial<Record<Command, string>> = { backup: "the path of the copy", replay: "the id of an incident" };

/** `argv` without the program's own two entries. */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values, positionals, tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const [first = "serve", ...rest] = positionals;
  const command = isCommand(first) ? first : "serve";
  for (const token of tokens) {
    const problem = token.kind === "option" ? problemOf(token, command) : null;
    if (problem !== null) return refuse(problem);
  }
  if (!isCommand(first)) return refuse(`there is no command ${first}`);
  if (values.help === true) return { command: "help" };
  if (values.version === true) return { command: "version" };
  const missing = missingOf[first];
  const [target, ...surplus] = missing === undefined ? [null, ...rest] : rest;
  if (target === undefined) return refuse(`${first} needs ${missing}`);
  if (surplus[0] !== undefined) return refuse(`${first} takes no ${surplus[0]}`);
  const configPath = typeof values.config === "string" ? values.config : null;
  const given = Object.entries(settingOf).filter(([name]) => values[name as OptionName] !== undefined);
  const flags = Object.fromEntries(given.map(([name, setting]) => [setting, String(values[name as OptionName])]));
  if (target !== null && first === "replay") return { command: "replay", incidentId: target, configPath, flags };
  if (target !== null) return { command: "backup", targetPath: target, configPath, flags };
  return first === "status" ? { command: "status", configPath, flags } : { command: "serve", configPath, flags };
}
