/** `understudy worker check [--promises FILE] COMMAND [ARGUMENT ...]`: what follows the command is the command's own. */

export type WorkerArguments =
  | { readonly kind: "check"; readonly promisesPath: string | null; readonly program: readonly string[] }
  | { readonly kind: "help" }
  | { readonly kind: "refused"; readonly message: string };

const refuse = (message: string): WorkerArguments => ({ kind: "refused", message });

/** @param argv what follows `worker` */
export function parseWorkerArguments(argv: readonly string[]): WorkerArguments {
  const [verb, ...rest] = argv;
  if (verb === "--help" || verb === "-h") return { kind: "help" };
  if (verb !== "check") return refuse("worker needs check and the command that starts a worker");
  let promisesPath: string | null = null;
  while (rest[0]?.startsWith("-") === true) {
    const [name = "", inline] = (rest.shift() ?? "").split(/=(.*)/s);
    if (name === "--") break;
    if (name === "--help" || name === "-h") return { kind: "help" };
    if (name !== "--promises")
      return refuse(`worker check does not take ${name}; flags of the worker follow its command`);
    const value = inline ?? rest.shift();
    if (value === undefined || value === "") return refuse("--promises needs a value");
    promisesPath = value;
  }
  if (rest.length === 0) return refuse("worker check needs the command that starts a worker");
  return { kind: "check", promisesPath, program: rest };
}
