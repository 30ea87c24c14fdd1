import type { Clock } from "../../core/clock.ts";
import { readHolders, readRow, readSlices } from "./nvidia-csv.ts";
import { type ChosenFields, firstChoice, refusedField, withoutField } from "./nvidia-fields.ts";
import { toolHung, troubleOf } from "./nvidia-trouble.ts";
import type { Card, ProbeMessage, ProbeOptions, Trouble } from "./probe-protocol.ts";
import { callTool, startTool, type ToolAnswer } from "./tool-call.ts";

/** Where cards are measured; speaks until it is stopped. */
export interface CardSource {
  /** Resolves with the reason when there is nothing to measure; otherwise when it was stopped. */
  run(): Promise<{ readonly absent: string } | null>;
  /** Measures at once, unless it is just about to. */
  look(): Promise<void>;
}

export interface NvidiaSourceOptions extends ProbeOptions {
  readonly nvidiaSmi: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (message: ProbeMessage) => void;
}

type Listing = { readonly kind: "cards"; readonly cards: readonly Card[]; readonly lost: readonly string[] };

const format = "--format=csv,noheader,nounits";
const holdersEveryMs = 30_000;
/** Loops that gave no row although a call answered: from then on calls take the loop's place. */
const uselessLoopCount = 2;
/** Every driver of the last ten years knows these. */
const coreFields: ChosenFields = firstChoice.map((name) =>
  ["uuid", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu", "name"].includes(name ?? "") ? name : null,
);

/** The tool's rows, grouped: all cards of one tick. */
function readListing(chosen: ChosenFields, lines: readonly string[]): Listing {
  const rows = lines.filter((line) => line.trim() !== "").map((line) => readRow(chosen, line));
  return {
    kind: "cards",
    cards: rows.flatMap((row) => (row.kind === "card" ? [row.card] : [])),
    lost: rows.flatMap((row) => (row.kind === "lost" ? [row.text] : [])),
  };
}

/** The loop's rows come one by one: a tick is over when all cards have come, or when the first comes again. */
function createTicks(chosen: ChosenFields, firstCount: number, onTick: (listing: Listing) => void): (line: string) => void {
  let lines: string[] = [];
  let keys = new Set<string>();
  let expectedCount = firstCount;
  const flush = (): void => {
    const listing = readListing(chosen, lines);
    expectedCount = keys.size;
    lines = [];
    keys = new Set();
    onTick(listing);
  };
  return (line) => {
    const row = readRow(chosen, line);
    if (row.kind === "text") return;
    const key = row.kind === "card" ? row.card.uuid : row.text;
    if (keys.has(key)) flush();
    keys.add(key);
    lines.push(line);
    if (keys.size >= expectedCount) flush();
  };
}

/**
 * Keeps one `nvidia-smi` in its own loop, because a process a sample is dear and, without persistence mode, starts the driver
 * anew each time. A loop that falls silent for three periods is killed, and none is started before it is really gone.
 */
export function createNvidiaSource(options: NvidiaSourceOptions): CardSource {
  const { clock, signal, say, nvidiaSmi, everyMs, answerWithinMs } = options;
  const known = new Set<string>();
  let chosen = firstChoice;
  let slices: readonly Card[] = [];
  let holders = new Map() as ReturnType<typeof readHolders>;
  let holdersAtMs = Number.NEGATIVE_INFINITY;
  let silentLoopCount = 0;
  let isFollowing = false;
  let isLooking = false;
  let hasAnswered = false;
  let ticks = 0;

  const ask = async (args: readonly string[]): Promise<ToolAnswer> => {
    const answer = await callTool(clock, nvidiaSmi, args, answerWithinMs, signal);
    // Never two hanging calls: the driver keeps them until it answers.
    if (answer.kind === "hung") {
      sayTrouble(troubleOf(answer));
      await answer.gone;
    }
    return answer;
  };
  const queryArgs = (): readonly string[] => [`--query-gpu=${chosen.filter((name) => name !== null).join(",")}`, format];

  const query = async (): Promise<Listing | Trouble> => {
    for (;;) {
      const answer = await ask(queryArgs());
      if (answer.kind !== "done") return troubleOf(answer);
      const listing = readListing(chosen, answer.output.split("\n"));
      if (answer.code === 0 && listing.cards.length + listing.lost.length > 0) return listing;
      const next = answer.code === 2 ? narrower(answer.output) : null;
      if (next === null) return troubleOf(answer);
      chosen = next;
    }
  };
  const narrower = (output: string): ChosenFields | null => {
    const refused = refusedField(output);
    if (refused !== null) return withoutField(chosen, refused);
    return chosen === coreFields ? null : coreFields;
  };

  function sayTrouble(trouble: Trouble): void {
    const vanished = hasAnswered && trouble.kind === "toolMissing";
    const lost = hasAnswered && trouble.kind === "noDevices";
    say({
      kind: "trouble",
      gpuKind: "nvidia",
      trouble: vanished
        ? { ...trouble, kind: "toolVanished", isDecided: false, reason: "nvidia-smi is no longer there" }
        : lost
          ? { ...trouble, kind: "gpuLost", reason: `the cards are no longer listed (${trouble.reason})` }
          : trouble,
    });
  }
  const sayCards = ({ cards, lost }: Listing): void => {
    if (cards.length === 0) {
      sayTrouble({ kind: "gpuLost", isDecided: true, reason: lost[0] ?? "no card answers", nvmlCode: 15 });
      return;
    }
    hasAnswered = true;
    for (const card of cards) known.add(card.uuid);
    const seen = new Set(cards.map(({ uuid }) => uuid));
    const missingCount = Math.max(lost.length, [...known].filter((uuid) => !seen.has(uuid)).length);
    const held = cards.map((card) => ({ ...card, details: { ...card.details, holders: [...(holders.get(card.uuid) ?? [])] } }));
    const withHolders = holdersAtMs === Number.NEGATIVE_INFINITY ? cards : held;
    say({ kind: "cards", gpuKind: "nvidia", cards: [...withHolders, ...slices], missingCount });
  };

  const follow = async (cardCount: number): Promise<Trouble> => {
    const loop = startTool(nvidiaSmi, [...queryArgs(), "-lms", String(Math.round(everyMs))]);
    const hung = Promise.withResolvers<number>();
    let rows = 0;
    let timer = clock.setTimer(() => hung.resolve(firstRowMs), firstRowMs);
    loop.onLine(
      createTicks(chosen, cardCount, (listing) => {
        clock.clearTimer(timer);
        timer = clock.setTimer(() => hung.resolve(3 * everyMs), 3 * everyMs);
        rows += 1;
        ticks += 1;
        sayCards(listing);
      }),
    );
    signal.addEventListener("abort", loop.kill, { once: true });
    const end = await Promise.race([loop.ended.then(troubleOf), hung.promise.then(toolHung)]);
    clock.clearTimer(timer);
    if (end.kind === "toolHung") {
      sayTrouble(end);
      loop.kill();
      await loop.ended;
    }
    signal.removeEventListener("abort", loop.kill);
    silentLoopCount = rows === 0 && end.kind === "toolHung" ? silentLoopCount + 1 : 0;
    return end;
  };
  const firstRowMs = Math.max(3 * everyMs, answerWithinMs);

  const callRepeatedly = async (): Promise<Trouble> => {
    for (;;) {
      await clock.sleep(everyMs, signal);
      const listing = await query();
      if (listing.kind !== "cards") return listing;
      ticks += 1;
      sayCards(listing);
    }
  };

  /** From the first answer to the first failure. */
  const live = async (): Promise<Trouble> => {
    chosen = firstChoice;
    const listing = await query();
    if (listing.kind !== "cards") return listing;
    slices = listing.cards.some(({ details }) => details.isMigEnabled === true) ? await listSlices() : [];
    sayCards(listing);
    isFollowing = true;
    try {
      return await (silentLoopCount >= uselessLoopCount ? callRepeatedly() : follow(listing.cards.length));
    } finally {
      isFollowing = false;
    }
  };
  const listSlices = async (): Promise<readonly Card[]> => {
    const answer = await ask(["-L"]);
    return answer.kind === "done" ? readSlices(answer.output) : [];
  };

  const readWhoHolds = async (): Promise<void> => {
    if (clock.nowMs() - holdersAtMs < holdersEveryMs) return;
    const answer = await ask(["--query-compute-apps=gpu_uuid,pid,used_gpu_memory", format]);
    if (answer.kind !== "done" || answer.code !== 0) return;
    holders = readHolders(answer.output);
    holdersAtMs = clock.nowMs();
  };

  return {
    run: async () => {
      let backOffMs = options.backOffFirstMs;
      while (!signal.aborted) {
        const ticksBefore = ticks;
        const trouble = await live();
        if (signal.aborted) return null;
        const isAbsent = trouble.kind === "toolMissing" || trouble.kind === "noDevices";
        if (!hasAnswered && isAbsent && trouble.isDecided) return { absent: trouble.reason };
        sayTrouble(trouble);
        backOffMs = ticks > ticksBefore ? options.backOffFirstMs : backOffMs;
        await clock.sleep(backOffMs, signal);
        backOffMs = Math.min(backOffMs * 2, options.backOffLongestMs);
      }
      return null;
    },
    look: async () => {
      if (!isFollowing || isLooking) return;
      isLooking = true;
      try {
        await readWhoHolds();
        const listing = await query();
        if (listing.kind === "cards") sayCards(listing);
        else sayTrouble(listing);
      } finally {
        isLooking = false;
      }
    },
  };
}
