/** What can be wanted of the command line, as data: the tree makes them, the table of commands carries them out. */
import type { KeyRole } from "../core/words.ts";
import type { ConfigOrigin } from "./load-config.ts";

export type JobsVerb = "submit" | "list" | "show" | "cancel" | "retry";
export type ModelsVerb = "list" | "pull" | "verify" | "remove";
export type ConfigVerb = "check" | "show" | "schema";
export type TokenVerb = "create" | "list" | "revoke";
const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export interface JobsWanted {
  readonly verb: JobsVerb;
  /** The prompt of a submission or the id of a job; empty for a list. */
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

export interface TokenOrder {
  readonly verb: TokenVerb;
  readonly keyId: string;
  readonly role: KeyRole;
  readonly label: string;
}

interface Orders {
  serve: ConfigOrigin;
  status: ConfigOrigin & { readonly isJson: boolean };
  jobs: ConfigOrigin & { readonly wanted: JobsWanted };
  drain: ConfigOrigin;
  doctor: ConfigOrigin & { readonly isJson: boolean };
  pause: ConfigOrigin & { readonly isReleasing: boolean };
  resume: ConfigOrigin;
  /** The drill to run; null lists all drills. */
  drill: ConfigOrigin & { readonly drill: string | null };
  models: ConfigOrigin & {
    readonly verb: ModelsVerb;
    readonly model: string;
    readonly revision: string | null;
    readonly isAnyway: boolean;
  };
  config: ConfigOrigin & { readonly verb: ConfigVerb; readonly withSources: boolean };
  replay: ConfigOrigin & { readonly incidentId: string };
  token: ConfigOrigin & TokenOrder;
  backup: ConfigOrigin & { readonly targetPath: string };
  worker: { readonly promisesPath: string | null; readonly program: readonly string[] };
  completion: { readonly shell: Shell };
  /** What a shell asks for: the words so far, the last one unfinished. */
  propose: { readonly words: readonly string[] };
}
export type CommandName = keyof Orders;

export type Order<C extends CommandName = CommandName> = { [K in C]: { readonly command: K } & Orders[K] }[C];
