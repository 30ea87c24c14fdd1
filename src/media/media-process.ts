/** One media child seen from its parent. Every call ends: by its answer, by its deadline, or with the child. */
import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../core/clock.ts";
import { MediaError } from "../core/errors.ts";
import type { MediaAnswer, MediaRequest } from "./media-protocol.ts";

interface Call {
  readonly resolve: (answer: MediaAnswer) => void;
  readonly reject: (thrown: MediaError) => void;
}

const program = fileURLToPath(new URL(`./media-child${extname(import.meta.url)}`, import.meta.url));

/** One life of the media child, seen from its parent: calls by number, all of them rejected when it ends. */
export class MediaProcess {
  readonly pid: number | undefined;
  readonly ended: Promise<void>;
  #hasEnded = false;
  #nextId = 1;
  readonly #calls = new Map<number, Call>();
  readonly #clock: Clock;
  readonly #callLimitMs: number;
  readonly #process: ChildProcess;

  constructor(clock: Clock, callLimitMs: number) {
    this.#clock = clock;
    this.#callLimitMs = callLimitMs;
    this.#process = fork(program, [], {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      serialization: "advanced",
      execArgv: [],
    });
    this.pid = this.#process.pid;
    this.#process.on("message", (answer: MediaAnswer) => this.#take(answer.id)?.resolve(answer));
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.#hasEnded = true;
        for (const id of [...this.#calls.keys()])
          this.#take(id)?.reject(new MediaError("OUTPUT_INVALID", "The media child ended.", { retryable: true }));
        resolve();
      };
      this.#process.once("error", end);
      this.#process.once("exit", end);
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** Rejects with a retryable MediaError when the child ends meanwhile, and kills a child that does not answer in time. */
  ask(request: MediaRequest): Promise<MediaAnswer> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId;
      this.#nextId += 1;
      const timer = this.#clock.setTimer(() => {
        this.#take(id)?.reject(
          new MediaError("OUTPUT_INVALID", `The media child did not answer within ${this.#callLimitMs} ms.`),
        );
        this.kill();
      }, this.#callLimitMs);
      const settled =
        <Value>(finish: (value: Value) => void) =>
        (value: Value): void => {
          this.#clock.clearTimer(timer);
          finish(value);
        };
      this.#calls.set(id, { resolve: settled(resolve), reject: settled(reject) });
      // A child that is just ending refuses the message: its exit rejects the call.
      this.#process.send({ id, request }, () => undefined);
    });
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }
}
