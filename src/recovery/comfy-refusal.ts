/** Why ComfyUI refused a workflow: its answer 400 to `POST /prompt`. */
export interface ComfyRefusal {
  readonly kind: "request" | "modelFile";
  /** For people, without the values that the request held. */
  readonly sentence: string;
}

interface NodeProblem {
  readonly nodeType: string;
  readonly type: string;
  readonly input: string;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (isRecord(value) ? value : {});

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}

function problemsOf(nodeErrors: Readonly<Record<string, unknown>>): readonly NodeProblem[] {
  return Object.values(nodeErrors).flatMap((node) => {
    const { class_type: nodeType, errors } = recordOf(node);
    const list: readonly unknown[] = Array.isArray(errors) ? errors : [];
    return list.map((error) => ({
      nodeType: textOf(nodeType),
      type: textOf(recordOf(error)["type"]),
      input: textOf(recordOf(recordOf(error)["extra_info"])["input_name"]),
    }));
  });
}

/** `error.type` of every refusal that the workflow itself caused (ComfyUI 0.3.64, execution.py and server.py). */
const refusals = ["no_prompt", "invalid_prompt", "prompt_no_outputs", "prompt_outputs_failed_validation"];
/** A loader's list is the listing of a folder of model files. */
const isMissingFile = ({ nodeType, type }: NodeProblem): boolean =>
  type === "value_not_in_list" && nodeType.includes("Loader");

/** Null when the text is not such an answer. */
export function comfyRefusalOf(body: string): ComfyRefusal | null {
  if (!body.trimStart().startsWith("{")) return null;
  const { error, node_errors: nodeErrors } = recordOf(parseJson(body));
  const type = textOf(recordOf(error)["type"]);
  if (!refusals.includes(type)) return null;
  const problems = problemsOf(recordOf(nodeErrors));
  const missing = problems.find(isMissingFile);
  if (missing !== undefined)
    return {
      kind: "modelFile",
      sentence: `${missing.nodeType} does not find the file that its ${missing.input || "input"} names`,
    };
  const details = problems.map(
    ({ nodeType, type: problem, input }) => `${nodeType}${input === "" ? "" : `.${input}`}: ${problem}`,
  );
  return { kind: "request", sentence: `the workflow was refused: ${[type, ...details].join("; ")}` };
}
