/** Flags that several commands take: their names as they are typed, and the settings that they set. */
import type { FlagParametersForType } from "@stricli/core";
import type { SimulatedGpu } from "../config/worker-settings.ts";
import type { ConfigOrigin } from "./load-config.ts";

type Text = string | undefined;
type Switch = boolean | undefined;

export const asTyped = (typed: string): string => typed;

/** A flag with a value; a shell completes it to the `known` ones. */
export const value = (placeholder: string, brief: string, known: readonly string[] = []) =>
  ({
    kind: "parsed",
    parse: asTyped,
    proposeCompletions: () => known,
    placeholder,
    brief,
    optional: true,
  }) as const;

/** A flag that may be given several times. */
export const values = (placeholder: string, brief: string, known: readonly string[] = []) =>
  ({ ...value(placeholder, brief, known), variadic: true }) as const;

/** A flag without a value. */
export const toggle = (brief: string) => ({ kind: "boolean", brief, optional: true, withNegated: false }) as const;

export const operand = (placeholder: string, brief: string) =>
  ({ kind: "tuple", parameters: [{ placeholder, brief, parse: asTyped }] }) as const;

export interface PlaceFlags {
  readonly "state-dir": Text;
  readonly config: Text;
}
export const placeFlags: FlagParametersForType<PlaceFlags> = {
  "state-dir": value("DIR", "database, videos and run files ($XDG_STATE_HOME/understudy or ~/.local/state/understudy)"),
  config: value("FILE", "settings as YAML or JSON; also UNDERSTUDY_CONFIG"),
};
export const placeAliases = { c: "config" } as const;

export interface JsonFlag {
  readonly json: Switch;
}
export const jsonFlag: FlagParametersForType<JsonFlag> = { json: toggle("the answer as JSON on stdout") };

export interface ServeFlags extends PlaceFlags {
  readonly port: Text;
  readonly host: Text;
  readonly "allow-origin": readonly string[] | undefined;
  readonly insecure: Switch;
  readonly worker: Text;
  readonly python: Text;
  readonly device: Text;
  readonly "sim-gpu": Text;
  readonly "sim-gpus": Text;
  readonly "sim-speed": Text;
  readonly "keep-workers": Switch;
  readonly inspect: Switch;
}

const simulatedCards = { sim80: 1, rtx4090: 1, a100: 1, h100: 1, h200: 1 } as const satisfies Record<SimulatedGpu, 1>;

export const serveFlags: FlagParametersForType<ServeFlags> = {
  port: value("PORT", "port to listen on; 0 takes a free one (9000)"),
  host: value("HOST", "address to listen on; others than loopback need a key: understudy token create (127.0.0.1)"),
  "allow-origin": values("URL", "a web page of another origin that may call the service; may be repeated"),
  insecure: toggle("lets everybody who reaches the address do everything, without any key"),
  worker: value("KIND", "what renders: simulator or diffusers (simulator)", ["simulator", "diffusers"]),
  python: value("PATH", "interpreter of the diffusers worker (what npm run worker:install made)"),
  device: value("DEVICE", "where it renders: auto, cuda or cpu (auto)", ["auto", "cuda", "cpu"]),
  "sim-gpu": value(
    "CARD",
    "card that the simulator plays: sim80, rtx4090, a100, h100 or h200 (sim80)",
    Object.keys(simulatedCards),
  ),
  "sim-gpus": value("NUMBER", "how many such cards, one worker each (1)"),
  "sim-speed": value("NUMBER", "how fast it plays; 1 takes 2 % of a real H100's time (1)"),
  "keep-workers": toggle("on SIGTERM renders go on, and the next start takes them up"),
  inspect: toggle("let the Stately Inspector watch the machines, from this computer only"),
  ...placeFlags,
};
export const serveAliases = { p: "port", ...placeAliases } as const;

const settingOf: Readonly<Record<Exclude<keyof ServeFlags, "config">, string>> = {
  port: "port",
  host: "host",
  "allow-origin": "allowedOrigins",
  insecure: "insecure",
  worker: "renderer.kind",
  python: "renderer.python",
  device: "renderer.device",
  "sim-gpu": "sim.gpu",
  "sim-gpus": "sim.gpus",
  "sim-speed": "sim.speed",
  "keep-workers": "keepWorkers",
  inspect: "inspect",
  "state-dir": "stateDir",
};

/** Which configuration is meant: the flags that are settings, and the file. */
export function originOf(flags: Partial<ServeFlags>): ConfigOrigin {
  const names = Object.keys(settingOf) as (keyof typeof settingOf)[];
  const given = names.flatMap((name) => (flags[name] === undefined ? [] : [[settingOf[name], String(flags[name])]]));
  return { configPath: flags.config ?? null, flags: Object.fromEntries(given) };
}
