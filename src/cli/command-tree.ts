/** Every command, in the order of the help text: its flags, its operands, and the order that they make. */
import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import { type KeyRole, keyRoles } from "../core/words.ts";
import {
  asTyped,
  type JsonFlag,
  jsonFlag,
  operand,
  originOf,
  type PlaceFlags,
  placeAliases,
  placeFlags,
  type ServeFlags,
  serveAliases,
  serveFlags,
  toggle,
  value,
} from "./flags.ts";
import { jobs } from "./jobs-tree.ts";
import type { ConfigVerb, Shell, TokenVerb } from "./orders.ts";
import type { Parsing } from "./parsing.ts";

const place = { flags: placeFlags, aliases: placeAliases };

const serve = buildCommand<ServeFlags, [], Parsing>({
  func(flags) {
    this.want({ command: "serve", ...originOf(flags) });
  },
  parameters: { flags: serveFlags, aliases: serveAliases },
  docs: {
    brief: "start the service; it tells its address",
    fullDescription: `Examples
  understudy serve --port 9100 --state-dir ./state
  understudy serve --worker diffusers --config understudy.yaml`,
  },
});

const status = buildCommand<PlaceFlags & JsonFlag, [], Parsing>({
  func(flags) {
    this.want({ command: "status", isJson: flags.json === true, ...originOf(flags) });
  },
  parameters: { ...place, flags: { ...jsonFlag, ...placeFlags } },
  docs: { brief: "what the running service is doing; 0 when it is ready, 4 when it works with limits" },
});

const simple = (command: "drain" | "resume", brief: string) =>
  buildCommand<PlaceFlags, [], Parsing>({
    func(flags) {
      this.want({ command, ...originOf(flags) });
    },
    parameters: place,
    docs: { brief },
  });

const doctor = buildCommand<ServeFlags & JsonFlag, [], Parsing>({
  func(flags) {
    this.want({ command: "doctor", isJson: flags.json === true, ...originOf(flags) });
  },
  parameters: { flags: { ...jsonFlag, ...serveFlags }, aliases: serveAliases },
  docs: {
    brief: "what is there, what is missing and how to get it; takes the flags of serve too",
    fullDescription: "Examples\n  understudy doctor --worker diffusers",
  },
});

const pause = buildCommand<PlaceFlags & { readonly "release-gpu": boolean | undefined }, [], Parsing>({
  func(flags) {
    this.want({ command: "pause", isReleasing: flags["release-gpu"] === true, ...originOf(flags) });
  },
  parameters: {
    ...place,
    flags: { "release-gpu": toggle("workers end when idle, and their cards are free"), ...placeFlags },
  },
  docs: { brief: "let no job begin; with --release-gpu workers end when idle, and their cards are free" },
});

const drill = buildRouteMap<"list" | "run", Parsing>({
  routes: {
    list: buildCommand<PlaceFlags, [], Parsing>({
      func(flags) {
        this.want({ command: "drill", drill: null, ...originOf(flags) });
      },
      parameters: place,
      docs: { brief: "the drills, and how the last runs of each went" },
    }),
    run: buildCommand<PlaceFlags, [string], Parsing>({
      func(flags, name) {
        this.want({ command: "drill", drill: name, ...originOf(flags) });
      },
      parameters: { ...place, positional: operand("NAME", "a drill of the list") },
      docs: {
        brief: "do a fault to the running service, and score what follows; 1 when it is not passed",
        fullDescription: "Examples\n  understudy drill run kill",
      },
    }),
  },
  docs: { brief: "do a fault to the running service, and score what follows" },
});

interface RevisionFlag {
  readonly revision: string | undefined;
}
const revisionFlag = {
  revision: value("REV", "branch, tag or commit of the model (what the registry says, or main)"),
};
const model = operand("MODEL", "an id of the list, or org/name of the hub");
const noModelFlags = { model: "", revision: null, isAnyway: false };

const models = buildRouteMap<"list" | "pull" | "verify" | "remove", Parsing>({
  routes: {
    list: buildCommand<PlaceFlags, [], Parsing>({
      func(flags) {
        this.want({ command: "models", verb: "list", ...noModelFlags, ...originOf(flags) });
      },
      parameters: place,
      docs: { brief: "the models that are known, and how much of each is here" },
    }),
    pull: buildCommand<PlaceFlags & RevisionFlag & { readonly anyway: boolean | undefined }, [string], Parsing>({
      func(flags, name) {
        const given = { revision: flags.revision ?? null, isAnyway: flags.anyway === true };
        this.want({ command: "models", verb: "pull", model: name, ...given, ...originOf(flags) });
      },
      parameters: {
        ...place,
        flags: { ...revisionFlag, anyway: toggle("pull a model that this machine cannot carry"), ...placeFlags },
        positional: model,
      },
      docs: {
        brief: "fetch a model; what is here already is not fetched again",
        fullDescription:
          "Examples\n  understudy models pull T2V-A14B\n  understudy models pull org/name --revision main",
      },
    }),
    verify: buildCommand<PlaceFlags & RevisionFlag, [string], Parsing>({
      func(flags, name) {
        const given = { model: name, revision: flags.revision ?? null };
        this.want({ command: "models", verb: "verify", ...noModelFlags, ...given, ...originOf(flags) });
      },
      parameters: { ...place, flags: { ...revisionFlag, ...placeFlags }, positional: model },
      docs: { brief: "hold every file of a model against its hash" },
    }),
    remove: buildCommand<PlaceFlags, [string], Parsing>({
      func(flags, name) {
        this.want({ command: "models", verb: "remove", ...noModelFlags, model: name, ...originOf(flags) });
      },
      parameters: { ...place, positional: model },
      docs: { brief: "free the disk of a model" },
    }),
  },
  docs: { brief: "list, pull, verify or remove models" },
});

const configVerb = (verb: Exclude<ConfigVerb, "show">, brief: string, example: string) =>
  buildCommand<ServeFlags, [], Parsing>({
    func(flags) {
      this.want({ command: "config", verb, withSources: false, ...originOf(flags) });
    },
    parameters: { flags: serveFlags, aliases: serveAliases },
    docs: { brief, fullDescription: `Examples\n  understudy config ${example}` },
  });

const config = buildRouteMap<ConfigVerb, Parsing>({
  routes: {
    check: configVerb("check", "is it sound, with these flags?", "check --config understudy.yaml"),
    show: buildCommand<ServeFlags & { readonly sources: boolean | undefined }, [], Parsing>({
      func(flags) {
        this.want({ command: "config", verb: "show", withSources: flags.sources === true, ...originOf(flags) });
      },
      parameters: { flags: { sources: toggle("tells who set what"), ...serveFlags }, aliases: serveAliases },
      docs: { brief: "what is in force", fullDescription: "Examples\n  understudy config show --sources" },
    }),
    schema: configVerb("schema", "every setting, as JSON Schema", "schema > understudy.schema.json"),
  },
  docs: { brief: "check, show or describe the settings; takes the flags of serve" },
});

const replay = buildCommand<PlaceFlags, [string], Parsing>({
  func(flags, incidentId) {
    this.want({ command: "replay", incidentId, ...originOf(flags) });
  },
  parameters: { ...place, positional: operand("INCIDENT", "the id of an incident") },
  docs: {
    brief: "an incident once more, step by step; 1 when a step differs from its row",
    fullDescription: "Examples\n  understudy replay inc-1-1",
  },
});

const noKey = { keyId: "", role: "viewer", label: "" } as const;
const longestLabel = 200;

const token = buildRouteMap<TokenVerb, Parsing>({
  routes: {
    create: buildCommand<PlaceFlags & { readonly role: KeyRole; readonly label: string | undefined }, [], Parsing>({
      func(flags) {
        const given = { role: flags.role, label: (flags.label ?? "").slice(0, longestLabel) };
        this.want({ command: "token", verb: "create", ...noKey, ...given, ...originOf(flags) });
      },
      parameters: {
        ...place,
        flags: {
          role: {
            kind: "enum",
            values: keyRoles,
            placeholder: "ROLE",
            brief: "what the key may do: viewer looks, submitter also submits and cancels, operator does everything",
          },
          label: value("TEXT", "what the key is for"),
          ...placeFlags,
        },
      },
      docs: {
        brief: "make a key, and show it this once; needs --role",
        fullDescription: 'Examples\n  understudy token create --role operator --label "my laptop"',
      },
    }),
    list: buildCommand<PlaceFlags, [], Parsing>({
      func(flags) {
        this.want({ command: "token", verb: "list", ...noKey, ...originOf(flags) });
      },
      parameters: place,
      docs: { brief: "the keys, what they may do and what they are for" },
    }),
    revoke: buildCommand<PlaceFlags, [string], Parsing>({
      func(flags, keyId) {
        this.want({ command: "token", verb: "revoke", ...noKey, keyId, ...originOf(flags) });
      },
      parameters: { ...place, positional: operand("KEY", "the id of a key; understudy token list shows them") },
      docs: { brief: "let a key open nothing any more" },
    }),
  },
  docs: { brief: "create, list or revoke keys" },
});

const backup = buildCommand<PlaceFlags, [string], Parsing>({
  func(flags, targetPath) {
    this.want({ command: "backup", targetPath, ...originOf(flags) });
  },
  parameters: { ...place, positional: operand("PATH", "where the copy goes") },
  docs: {
    brief: "a consistent copy of the database, while the service runs",
    fullDescription: "Examples\n  understudy backup copy.db",
  },
});

const worker = buildRouteMap<"check", Parsing>({
  routes: {
    check: buildCommand<{ readonly promises: string | undefined }, string[], Parsing>({
      func(flags, ...program) {
        this.want({ command: "worker", promisesPath: flags.promises ?? null, program });
      },
      parameters: {
        flags: { promises: value("FILE", "what the worker promises beyond the protocol, as JSON (worker/README.md)") },
        positional: {
          kind: "array",
          minimum: 1,
          parameter: {
            placeholder: "COMMAND",
            brief: "the command that starts a worker, with its own flags",
            parse: asTyped,
          },
        },
      },
      docs: {
        brief: "hold any worker to the protocol: what holds, what is broken, what is unsupported",
        fullDescription: "Examples\n  understudy worker check --promises promises.json python3 my_worker.py --fast",
      },
    }),
  },
  docs: { brief: "hold any worker to the protocol" },
});

const script = (shell: Shell, example: string) =>
  buildCommand<NonNullable<unknown>, [], Parsing>({
    func() {
      this.want({ command: "completion", shell });
    },
    parameters: {},
    docs: { brief: `what ${shell} runs to complete commands and flags`, fullDescription: `Examples\n  ${example}` },
  });

const completion = buildRouteMap<Shell | "propose", Parsing>({
  routes: {
    bash: script("bash", 'eval "$(understudy completion bash)"      # in ~/.bashrc'),
    zsh: script("zsh", 'eval "$(understudy completion zsh)"      # in ~/.zshrc, after compinit'),
    fish: script("fish", "understudy completion fish > ~/.config/fish/completions/understudy.fish"),
    propose: buildCommand<NonNullable<unknown>, string[], Parsing>({
      func(_flags, ...words) {
        this.want({ command: "propose", words });
      },
      parameters: { positional: { kind: "array", parameter: { brief: "the words so far", parse: asTyped } } },
      docs: { brief: "what may come next, for these scripts" },
    }),
  },
  docs: { brief: "completion for bash, zsh or fish", hideRoute: { propose: true } },
});

export const commandTree: RouteMap<Parsing> = buildRouteMap({
  routes: {
    serve,
    status,
    jobs,
    drain: simple("drain", "accept nothing new; what was accepted is rendered"),
    doctor,
    pause,
    resume: simple("resume", "end a pause or a drain"),
    drill,
    models,
    config,
    replay,
    token,
    backup,
    worker,
    completion,
  },
  docs: { brief: "keeps a generative-video service answering while models, GPU, worker, host or network fail" },
});

/** What is done where no command is named. */
export const usualCommand = "serve";

/** What a command cannot do without, beside its flags. */
export const needs: Readonly<Record<string, string>> = {
  jobs: "list, submit and a prompt, or show, cancel or retry and the id of a job",
  drill: "list, or run and the name of a drill",
  models: "list, or pull, verify or remove and the name of a model",
  config: "check, show or schema",
  replay: "the id of an incident",
  token: "create, list, or revoke and the id of a key",
  backup: "the path of the copy",
  worker: "check and the command that starts a worker",
  completion: "bash, zsh or fish",
};
