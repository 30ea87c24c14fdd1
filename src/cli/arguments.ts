/** Turns what was typed into what is wanted. Nothing is read, started or loaded for it. */
import { type Application, buildApplication, type InputCompletion, proposeCompletions, run } from "@stricli/core";
import { arrangeWords } from "./arrange-words.ts";
import { commandTree, usualCommand } from "./command-tree.ts";
import { helpPage } from "./help-page.ts";
import type { Order } from "./orders.ts";
import type { Parsing } from "./parsing.ts";
import { sentencesFor } from "./sentences.ts";

export type Arguments =
  | Order
  | { readonly command: "help"; readonly text: string }
  | { readonly command: "version" }
  /** The line was not understood: one sentence says why, and the exit code is 2. */
  | { readonly command: "refused"; readonly message: string };

const refuse = (sentence: string): Arguments => ({
  command: "refused",
  message: `understudy: ${sentence}; --help lists what there is.`,
});

/** How near a name must be to be proposed: two letters exchanged cost nothing, `push` for `pull` costs four. */
const near = { threshold: 4, weights: { insertion: 1, deletion: 3, substitution: 2, transposition: 0 } } as const;

const applicationFor = (route: readonly string[]): Application<Parsing> =>
  buildApplication(
    commandTree,
    {
      name: "understudy",
      scanner: { allowArgumentEscapeSequence: true, distanceOptions: near },
      documentation: { disableAnsiColor: true },
      localization: { text: sentencesFor(route) },
    },
    {
      help: {
        flag: {
          brief: "this text",
          aliases: ["h"],
          global: true,
          run(_application, { result: { target, prefix } }) {
            this.process.stdout.write(helpPage(target, prefix));
          },
        },
      },
    },
  );

/** `argv` without the program's own two entries. */
export async function parseArguments(argv: readonly string[]): Promise<Arguments> {
  const arranged = arrangeWords(argv);
  if (arranged.kind === "version") return { command: "version" };
  if (arranged.kind === "refused") return refuse(arranged.sentence);
  const orders: Order[] = [];
  const pages: string[] = [];
  const sentences: string[] = [];
  await run(applicationFor(arranged.route), arranged.words, {
    process: {
      stdout: { write: (text) => pages.push(text) },
      stderr: { write: (text) => sentences.push(text.trim()) },
    },
    want: (order) => orders.push(order),
  });
  const [order] = orders;
  if (order !== undefined) return order;
  return pages.length > 0 ? { command: "help", text: pages.join("") } : refuse(sentences[0] ?? "it was not understood");
}

const silent = { write: () => undefined };

/** Words that may come in place of the last word, which is unfinished. */
export function completionsOf(words: readonly string[]): Promise<readonly InputCompletion[]> {
  const isUsual = words[0]?.startsWith("-") === true;
  return proposeCompletions(applicationFor([]), isUsual ? [usualCommand, ...words] : words, {
    process: { stdout: silent, stderr: silent },
    want: () => undefined,
  });
}
