import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gibibyte, kibibyte, mebibyte } from "../../src/core/units.ts";
import { classify } from "../../src/recovery/classify.ts";
import {
  type MemoryMeasure,
  memoryAdviceOf,
  memoryMeasures,
  shortageNumbersOf,
  shortageOf,
} from "../../src/recovery/memory-advice.ts";
import { type OutOfMemoryNumbers, parseOutOfMemory } from "../../src/recovery/out-of-memory-text.ts";
import { failure, memoryTexts } from "./recovery-raw-makers.ts";

const gib = (count: number): number => Math.round(count * gibibyte);
const mib = (count: number): number => Math.round(count * mebibyte);
const parse = (text: string): OutOfMemoryNumbers => {
  const numbers = parseOutOfMemory(text);
  if (numbers === null) throw new Error(`not read: ${text}`);
  return numbers;
};

describe("the numbers of an out-of-memory message", () => {
  it("are read from the present wording", () => {
    expect(parse(memoryTexts.present)).toEqual({
      wantedBytes: gib(20),
      totalBytes: gib(79.1),
      freeBytes: gib(3.5),
      ownBytes: gib(75.5),
      othersBytes: gib(79.1) - gib(3.5) - gib(75.5),
      allocatedBytes: gib(70),
      reservedUnallocatedBytes: gib(1.2),
      isAddressSpace: false,
    });
  });
  it("are read beside private pools", () => {
    expect(parse(memoryTexts.privatePools)).toMatchObject({
      wantedBytes: mib(48),
      allocatedBytes: gib(36.43),
      reservedUnallocatedBytes: mib(20.41),
      ownBytes: gib(39.35),
    });
  });
  it("are read from the older wording, misspelt or not", () => {
    const numbers = parse(memoryTexts.older);
    expect(numbers).toMatchObject({
      wantedBytes: mib(512),
      totalBytes: gib(23.65),
      freeBytes: mib(100),
      ownBytes: gib(22),
    });
    expect(numbers.reservedUnallocatedBytes).toBe(gib(22) - gib(20.1));
    expect(parse(memoryTexts.older.replace("capacty", "capacity"))).toEqual(numbers);
  });
  it("are read from the asynchronous allocator's list, whose limit is an overflow", () => {
    expect(parse(memoryTexts.asynchronous)).toMatchObject({
      wantedBytes: mib(640),
      totalBytes: gib(11.59),
      freeBytes: mib(7.12),
      allocatedBytes: gib(9.43),
      ownBytes: gib(9.43),
      reservedUnallocatedBytes: null,
    });
  });
  it("name neighbours apart from the process itself", () => {
    expect(parse(memoryTexts.neighbour)).toMatchObject({ ownBytes: gib(11.2), othersBytes: gib(60) });
  });
  it("know the process itself where the driver names it by the host's number", () => {
    const numbers = parse(memoryTexts.container);
    expect(numbers.ownBytes).toBe(gib(47.43));
    expect(numbers.othersBytes).toBeLessThan(mib(64));
    expect(shortageOf(numbers)).toBe("outOfMemory");
  });
  it("ignore an amount that no card has", () => {
    expect(parse(memoryTexts.overflow)).toMatchObject({
      freeBytes: 0,
      ownBytes: gib(22.1) + 512,
      reservedUnallocatedBytes: 512,
    });
  });
  it("are absent in other texts, and null where the text does not say them", () => {
    expect(parseOutOfMemory("the moon is full")).toBeNull();
    expect(parseOutOfMemory(`the prompt says: ${memoryTexts.present}`)).toBeNull();
    expect(parse("CUDA out of memory")).toMatchObject({ wantedBytes: null, totalBytes: null, othersBytes: null });
  });
  it("are found in the report, in its causes, and in a plain message", () => {
    const { present } = memoryTexts;
    const wrapped = failure("RuntimeError", "decode failed", { causes: [`torch.OutOfMemoryError: ${present}`] });
    expect(shortageNumbersOf(failure("torch.OutOfMemoryError", present))).toEqual(parse(present));
    expect(shortageNumbersOf(wrapped)).toEqual(parse(present));
    expect(shortageNumbersOf({ message: present })).toEqual(parse(present));
    expect(shortageNumbersOf({})).toBeNull();
    const quoted = failure("RuntimeError", `bad prompt: ${memoryTexts.rocm}`, {
      causes: [`torch.OutOfMemoryError: ${present}`],
    });
    expect(shortageNumbersOf(quoted)).toEqual(parse(present));
  });
});

const units = [
  ["bytes", 1],
  ["KiB", kibibyte],
  ["MiB", mebibyte],
  ["GiB", gibibyte],
] as const;
const amounts = fc
  .record({ hundredths: fc.integer({ min: 0, max: 102_399 }), unit: fc.constantFrom(...units) })
  .map(({ hundredths, unit: [name, factor] }) =>
    name === "bytes"
      ? { text: `${hundredths} bytes`, bytes: hundredths }
      : { text: `${(hundredths / 100).toFixed(2)} ${name}`, bytes: Math.round((hundredths / 100) * factor) },
  );
const fields = fc.record({
  wanted: amounts,
  total: amounts,
  free: amounts,
  own: amounts,
  allocated: amounts,
  reserved: amounts,
});

describe("any numbers", () => {
  it("come back from the present wording, in all units", () => {
    fc.assert(
      fc.property(fields, fc.nat(15), ({ wanted, total, free, own, allocated, reserved }, gpu) => {
        const text = `CUDA out of memory. Tried to allocate ${wanted.text}. GPU ${gpu} has a total capacity of ${total.text} of which ${free.text} is free. Including non-PyTorch memory, this process has ${own.text} memory in use. Of the allocated memory ${allocated.text} is allocated by PyTorch, and ${reserved.text} is reserved by PyTorch but unallocated.`;
        expect(parse(text)).toMatchObject({
          wantedBytes: wanted.bytes,
          totalBytes: total.bytes,
          freeBytes: free.bytes,
          allocatedBytes: allocated.bytes,
          reservedUnallocatedBytes: reserved.bytes,
        });
        if (own.bytes <= total.bytes) expect(parse(text).ownBytes).toBe(own.bytes);
      }),
    );
  });
  it("come back from the older wording, in all units", () => {
    fc.assert(
      fc.property(fields, fc.nat(15), ({ wanted, total, free, allocated, reserved }, gpu) => {
        const text = `CUDA out of memory. Tried to allocate ${wanted.text} (GPU ${gpu}; ${total.text} total capacty; ${allocated.text} already allocated; ${free.text} free; ${reserved.text} reserved in total by PyTorch)`;
        expect(parse(text)).toMatchObject({
          wantedBytes: wanted.bytes,
          totalBytes: total.bytes,
          freeBytes: free.bytes,
          allocatedBytes: allocated.bytes,
          ownBytes: reserved.bytes,
          reservedUnallocatedBytes: Math.max(0, reserved.bytes - allocated.bytes),
        });
      }),
    );
  });
  it("are whole and not negative, whatever the text", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string().map((text) => `CUDA out of memory. Tried to allocate ${text}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        for (const value of Object.values(parseOutOfMemory(text) ?? {}))
          if (typeof value === "number") expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
      }),
    );
  });
  it("take no time in a long text without any", () => {
    const text = `CUDA out of memory ${"1".repeat(200_000)}`;
    expect(parse(text).wantedBytes).toBeNull();
  });
});

const bytes = fc.integer({ min: 0, max: 96 * 1024 }).map((count) => count * mebibyte);
const maybe = fc.option(bytes, { nil: null });
const numbersOf = fc.record({
  wantedBytes: maybe,
  totalBytes: maybe,
  freeBytes: maybe,
  ownBytes: maybe,
  othersBytes: maybe,
  allocatedBytes: maybe,
  reservedUnallocatedBytes: maybe,
  isAddressSpace: fc.boolean(),
});
const phaseOf = fc.constantFrom("encode", "denoise", "decode", "mux", "load", "idle", undefined);
const plain: OutOfMemoryNumbers = {
  wantedBytes: gib(8),
  totalBytes: gib(80),
  freeBytes: gib(2),
  ownBytes: gib(77),
  othersBytes: 0,
  allocatedBytes: gib(75),
  reservedUnallocatedBytes: gib(1),
  isAddressSpace: false,
};

describe("the advice on memory", () => {
  const firsts: readonly (readonly [
    string,
    MemoryMeasure | null,
    Partial<OutOfMemoryNumbers>,
    "denoise" | "decode" | "load" | undefined,
  ])[] = [
    ["clear the cache that holds enough", "clearCache", { reservedUnallocatedBytes: gib(8) }, "denoise"],
    [
      "clear the cache that makes up for what is missing beside what is free",
      "clearCache",
      { reservedUnallocatedBytes: gib(6) },
      "denoise",
    ],
    [
      "wait for the neighbour that holds the card",
      "waitForNeighbour",
      { othersBytes: gib(60), ownBytes: gib(18) },
      "denoise",
    ],
    ["decode in tiles", "tileDecode", {}, "decode"],
    ["reduce a request of more than half the card", "reduce", { wantedBytes: gib(41) }, "denoise"],
    ["take the next profile otherwise", "nextProfile", {}, "denoise"],
    ["take the next profile for a model that does not fit", "nextProfile", { wantedBytes: gib(41) }, "load"],
    ["do nothing about a model that is larger than the card", null, { wantedBytes: gib(100) }, "load"],
    ["reduce what no profile can make room for", "reduce", { wantedBytes: gib(100) }, "denoise"],
    [
      "try a leaner profile when the message says no numbers",
      "nextProfile",
      { wantedBytes: null, totalBytes: null, freeBytes: null, ownBytes: null },
      undefined,
    ],
  ];
  it.each(firsts)("is to %s (%s)", (_, first, known, phase) => {
    expect(memoryAdviceOf({ ...plain, ...known }, phase).first).toBe(first);
  });
  it.each([
    ["the present wording", memoryTexts.present, "denoise", "nextProfile"],
    ["a fragmented cache", memoryTexts.fragmented, "denoise", "clearCache"],
    ["the older wording", memoryTexts.older, "denoise", "clearCache"],
    ["a neighbour", memoryTexts.neighbour, "denoise", "waitForNeighbour"],
    ["a container", memoryTexts.container, "decode", "tileDecode"],
    ["the asynchronous allocator", memoryTexts.asynchronous, "encode", "nextProfile"],
    ["an impossible size", memoryTexts.rocm, "denoise", "reduce"],
  ] as const)("reads %s", (_, text, phase, first) => {
    const { measures, first: found } = memoryAdviceOf(parse(text), phase);
    expect(found).toBe(first);
    expect(classify(failure("torch.OutOfMemoryError", text, { phase })).decidedBy).toContain(measures[first].reason);
  });
  it("names first a measure that can help, and gives each a reason", () => {
    fc.assert(
      fc.property(numbersOf, phaseOf, (numbers, phase) => {
        const { measures, first } = memoryAdviceOf(numbers, phase);
        expect(Object.keys(measures).toSorted()).toEqual([...memoryMeasures].toSorted());
        for (const { reason } of Object.values(measures)) expect(reason).toMatch(/\w+ \w+/);
        if (first === null) expect(Object.values(measures).every(({ helps }) => helps === "no")).toBe(true);
        else expect(measures[first].helps).not.toBe("no");
        const isSure = Object.values(measures).some(({ helps }) => helps === "yes");
        if (isSure && first !== null) expect(measures[first].helps).toBe("yes");
      }),
    );
  });
  it("never sends the healer to a cache that cannot make room, nor past one that can", () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (wantedBytes, freeBytes, reservedUnallocatedBytes) => {
        const { clearCache } = memoryAdviceOf(
          { ...plain, wantedBytes, freeBytes, reservedUnallocatedBytes },
          "denoise",
        ).measures;
        const missing = Math.max(0, wantedBytes - freeBytes);
        expect(clearCache.helps).toBe(
          reservedUnallocatedBytes > 0 && reservedUnallocatedBytes >= missing ? "yes" : "no",
        );
      }),
    );
  });
  it("does not turn from waiting to not waiting when the neighbour takes more", () => {
    fc.assert(
      fc.property(numbersOf, bytes, bytes, (numbers, less, more) => {
        const helps = (othersBytes: number) =>
          memoryAdviceOf({ ...numbers, othersBytes }, "denoise").measures.waitForNeighbour.helps;
        const [low, high] = [Math.min(less, more), Math.max(less, more)];
        if (helps(low) === "yes") expect(helps(high)).toBe("yes");
      }),
    );
  });
  it("tiles only what is decoded, and reduces nothing where no request was being rendered", () => {
    fc.assert(
      fc.property(numbersOf, phaseOf, (numbers, phase) => {
        const { tileDecode, reduce } = memoryAdviceOf(numbers, phase).measures;
        expect(tileDecode.helps).toBe(phase === undefined ? "unknown" : phase === "decode" ? "yes" : "no");
        if (phase === "load" || phase === "idle") expect(reduce.helps).toBe("no");
      }),
    );
  });
  it("blames a neighbour only for more than is missing", () => {
    const numbers = parse(memoryTexts.neighbour);
    expect(shortageOf(numbers)).toBe("outOfMemoryNeighbour");
    expect(shortageOf({ ...numbers, wantedBytes: gib(70) })).toBe("outOfMemory");
    expect(shortageOf({ ...numbers, isAddressSpace: true })).toBe("outOfVirtualSpace");
  });
});
