import { describe, expect, it } from "vitest";
import { cardsInPrompt, faultNames, parseFaultCard } from "../../src/workers/simulator/fault-cards.ts";
import { FaultQueue } from "../../src/workers/simulator/fault-queue.ts";

const plain = { argument: null, phase: null, step: 0, count: 1 };

describe("a test card", () => {
  it.each([
    ["oom", { name: "oom" }],
    ["oom@denoise:12", { name: "oom", phase: "denoise", step: 12 }],
    ["oom@decodex3", { name: "oom", phase: "decode", count: 3 }],
    ["oom@encode:0x999", { name: "oom", phase: "encode", step: 0, count: 999 }],
    ["crash", { name: "crash" }],
    ["crash:SIGSEGV@denoise:5x2", { name: "crash", argument: "SIGSEGV", phase: "denoise", step: 5, count: 2 }],
    ["exit:75@mux", { name: "exit", argument: "75", phase: "mux" }],
    ["slow:2.5", { name: "slow", argument: "2.5" }],
    ["leak:2GiBx4", { name: "leak", argument: "2GiB", count: 4 }],
    ["fragment:20GiB@encode", { name: "fragment", argument: "20GiB", phase: "encode" }],
    ["refuse-loadx2", { name: "refuse-load", count: 2 }],
    ["refuse-load:gatedx2", { name: "refuse-load", argument: "gated", count: 2 }],
    ["raise:gpu-lost@denoise:3", { name: "raise", argument: "gpu-lost", phase: "denoise", step: 3 }],
    ["neighbour:30GiB", { name: "neighbour", argument: "30GiB" }],
    ["throttle", { name: "throttle" }],
    ["black@mux", { name: "black", phase: "mux" }],
    ["  stall@denoise:3 ", { name: "stall", phase: "denoise", step: 3 }],
  ])("%s is read", (text, fields) => {
    expect(parseFaultCard(text)).toEqual({ kind: "card", card: { ...plain, ...fields, text: text.trim() } });
  });

  it.each([
    ["", "There is no test card"],
    ["explode", "There is no test card explode"],
    ["oom@dream", "There is no phase dream; there are encode, denoise, decode, mux"],
    ["oom@denoise:many", "There is no test card"],
    ["oom:5", "oom takes no argument"],
    ["exit", "exit needs a code"],
    ["exit:256", "exit needs a code"],
    ["crash:SIGNOTHING", "crash takes the name of a signal"],
    ["slow:0", "slow needs a factor"],
    ["slow:fast", "slow needs a factor"],
    ["leak:lots", "leak needs a size"],
    ["leak:0GiB", "leak needs a size"],
    ["fragment", "fragment needs a size"],
    ["raise", "raise needs one of tensor-size, request, model-file"],
    ["raise:everything", "raise needs one of"],
    ["refuse-load:sunday", "refuse-load takes one of"],
    ["neighbour:many", "neighbour needs a size"],
    ["corrupt@denoise", "corrupt plays in mux alone"],
    ["hangx1000", "There is no test card"],
  ])("%j is refused with a sentence", (text, message) => {
    expect(parseFaultCard(text)).toEqual({ kind: "refused", message: expect.stringContaining(message) });
  });

  it("has a name for every fault, and the refusal lists them all", () => {
    expect(parseFaultCard("explode")).toMatchObject({ message: expect.stringContaining(faultNames.join(", ")) });
  });

  it("is found in a prompt between other words; what only looks like one is left alone", () => {
    const prompt = "a fox [[sim:oom@denoise:2]] runs [[sim:explode]] [[note]] far [[sim:slow:3]]";
    expect(cardsInPrompt(prompt).map(({ text }) => text)).toEqual(["oom@denoise:2", "slow:3"]);
    expect(cardsInPrompt("a fox runs")).toEqual([]);
  });
});

describe("the deck", () => {
  const cardOf = (text: string) => {
    const answer = parseFaultCard(text);
    if (answer.kind === "refused") throw new Error(answer.message);
    return answer.card;
  };
  const any = () => true;

  it("plays an armed card as often as it says, and again when the same card is armed again", () => {
    const deck = new FaultQueue([cardOf("oomx2")]);
    expect([deck.take(any), deck.take(any), deck.take(any)].map((card) => card?.name)).toEqual([
      "oom",
      "oom",
      undefined,
    ]);
    deck.arm(cardOf("oomx2"));
    expect(deck.take(any)?.name).toBe("oom");
  });

  it("counts a job's cards with the job, and keeps the count before the fault plays", () => {
    const saved: object[] = [];
    const fired: Record<string, number> = {};
    const ofJob = { cards: [cardOf("crash")], fired, save: () => saved.push({ ...fired }) };
    expect(new FaultQueue([]).takeOfJob(any, ofJob)?.name).toBe("crash");
    expect(saved).toEqual([{ crash: 1 }]);
    expect(new FaultQueue([]).takeOfJob(any, ofJob), "another process of the same job").toBeNull();
  });
});
