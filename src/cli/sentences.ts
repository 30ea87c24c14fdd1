/** What is said of a command line that is not understood: one sentence, which names what was meant where it is near. */
import {
  type ApplicationText,
  ArgumentScannerError,
  formatMessageForArgumentScannerError,
  text_en,
} from "@stricli/core";
import { needs } from "./command-tree.ts";
import { declaredFlags, valuesOf } from "./declared-flags.ts";

const didYouMean = (names: readonly string[]): string =>
  names.length === 0 ? "" : ` (did you mean ${names.slice(0, 3).join(" or ")}?)`;

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

function rethrow(thrown: unknown): never {
  throw thrown;
}

/** @param route the command that was typed, as far as there is one */
export function sentencesFor(route: readonly string[]): ApplicationText {
  const [command = ""] = route;
  const path = route.join(" ");
  const lacks = (): string => `${command} needs ${needs[command] ?? "more"}`;
  const needsFlag = ({ externalFlagName: name }: { readonly externalFlagName: string }): string =>
    `${path} needs --${name} ${valuesOf(name).join(", ")}`;
  const isWorker = command === "worker";
  const scannerSentences = {
    FlagNotFoundError: ({ input, corrections }) =>
      isWorker || Object.hasOwn(declaredFlags, input)
        ? `${path} does not take --${input}${isWorker ? "; flags of the worker follow its command" : ""}`
        : `there is no flag --${input}${didYouMean(corrections.map((name) => `--${name}`))}`,
    AliasNotFoundError: ({ input }) => `there is no flag -${input}`,
    UnexpectedPositionalError: ({ input }) => `${command} takes no ${input}`,
    UnsatisfiedPositionalError: lacks,
    UnsatisfiedFlagError: needsFlag,
    EnumValidationError: needsFlag,
    ArgumentParseError: ({ externalFlagNameOrPlaceholder: flag, exception }) => `--${flag} ${messageOf(exception)}`,
  } satisfies Parameters<typeof formatMessageForArgumentScannerError>[1];
  return {
    ...text_en,
    exceptionWhileParsingArguments: (thrown) =>
      thrown instanceof ArgumentScannerError
        ? formatMessageForArgumentScannerError(thrown, scannerSentences)
        : rethrow(thrown),
    exceptionWhileRunningCommand: rethrow,
    exceptionWhileLoadingCommandFunction: rethrow,
    noCommandRegisteredForInput: ({ input, corrections }) => {
      const near = didYouMean(corrections.map((name) => name.replaceAll("`", "")));
      return route.length === 0 ? `there is no command ${input}${near}` : `${lacks()}${near}`;
    },
  };
}
