/** One exception as it was thrown: its type's full name and its message. */
export interface Thrown {
  readonly type: string;
  readonly message: string;
}

/** Names that Python code gives to what it raises; `prompt: …` is none of them. */
const typeName = String.raw`[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Warning|Timeout|Exit|NVMLError_\w+|OfflineModeIsEnabled)`;
const typedText = new RegExp(`^(${typeName})(?:: ([\\s\\S]*))?$`);
/** `Type('message')`, as Python's repr writes a cause. */
const representedText = new RegExp(`^(${typeName})\\((['"]?)([\\s\\S]*?)\\2,?\\)$`);

/** A cause is written `Type: message`, `Type('message')`, or is a message alone. */
export function thrownOf(text: string): Thrown {
  const match = typedText.exec(text);
  if (match !== null) return { type: match[1] ?? "", message: match[2] ?? text };
  const represented = representedText.exec(text);
  if (represented !== null) return { type: represented[1] ?? "", message: represented[3] ?? "" };
  return { type: "", message: text };
}

const gap = String.raw`[\s\S]{0,2000}?`;
const compiled = new Map<string, RegExp>();

function patternOf(template: string): RegExp {
  const known = compiled.get(template);
  if (known !== undefined) return known;
  const parts = template.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  const pattern = new RegExp(`^${parts.join(gap)}`);
  compiled.set(template, pattern);
  return pattern;
}

/** Whether the message begins as the template says (`…` stands for at most 2,000 characters). */
export const beginsWith = (message: string, template: string): boolean => patternOf(template).test(message.trimStart());

/** `torch.OutOfMemoryError` is named by itself and by `OutOfMemoryError`, never by another module's name. */
export const isNamed = (name: string, type: string): boolean =>
  name === type || (!type.includes(".") && name.split(".").at(-1) === type);

const head = String.raw`(?:\[rank\d+\]: ?)?`;
const tracebackStart = new RegExp(`^${head}Traceback \\(most recent call last\\):$`, "m");
const thrownLine = new RegExp(`^${head}(${typeName})(?:: (.*))?$`);
const chainText =
  /The above exception was the direct cause of the following exception:|During handling of the above exception, another exception occurred:/;
const longestMessage = 4_000;

/** The exception that ends one traceback: the first unindented line after its frames, with what follows as its message. */
function thrownAfter(block: string): Thrown | null {
  const lines = block.split("\n");
  const at = lines.findIndex((line) => thrownLine.test(line));
  const match = at < 0 ? null : thrownLine.exec(lines[at] ?? "");
  if (match === null) return null;
  const rest = lines
    .slice(at + 1)
    .join("\n")
    .split(chainText)[0];
  return { type: match[1] ?? "", message: `${match[2] ?? ""}\n${rest ?? ""}`.trim().slice(0, longestMessage) };
}

/**
 * The exceptions of the last traceback of a log, outermost first, with those that caused it. Nothing else in a log is an
 * exception: a line that merely looks like one may be a request's text.
 */
export function lastThrown(log: string): readonly Thrown[] {
  const blocks = log.split(tracebackStart).slice(1);
  const chain: Thrown[] = [];
  for (const [fromEnd, block] of blocks.toReversed().entries()) {
    if (fromEnd > 0 && !chainText.test(block)) break;
    const thrown = thrownAfter(block);
    if (thrown !== null) chain.push(thrown);
  }
  return chain;
}

/** What C++ said when it aborted the process; null when it said nothing. */
export function abortedWith(log: string): Thrown | null {
  const last = [
    ...log.matchAll(/^terminate called after throwing an instance of '([^'\n]*)'\n *what\(\): +([\s\S]{0,4000})/gm),
  ].at(-1);
  return last === undefined ? null : { type: last[1] ?? "", message: last[2] ?? "" };
}
