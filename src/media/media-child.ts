/**
 * The media child: the only process of the service that runs native media code. One job at a time; ends after half a minute
 * without work and when its parent goes, ignores a terminal's Ctrl-C, and gives way to everything else on the host.
 */
import { constants, setPriority } from "node:os";
import { createSystemClock, type TimerHandle } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { probeArtifact } from "./artifact-probe.ts";
import { findImageProblem } from "./image-probe.ts";
import type { MediaAnswer, MediaCall, MediaRequest, MediaValue } from "./media-protocol.ts";
import { renderStandIn } from "./stand-in.ts";
import { renderThumbnail } from "./thumbnail.ts";

const idleMs = 30_000;
const clock = createSystemClock();
let idle: TimerHandle | undefined;
let work: Promise<void> = Promise.resolve();
let waitingCount = 0;

process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

async function perform(request: MediaRequest): Promise<MediaValue> {
  switch (request.kind) {
    case "standIn":
      return renderStandIn(request.order);
    case "thumbnail":
      await renderThumbnail(request.order);
      return null;
    case "probe":
      return probeArtifact(request.path);
    case "image":
      return findImageProblem(request.image);
  }
}

async function answer({ id, request }: MediaCall): Promise<MediaAnswer> {
  try {
    return { id, kind: "done", value: await perform(request) };
  } catch (thrown) {
    return { id, kind: "failed", message: messageOf(thrown) };
  }
}

function rest(): void {
  clock.clearTimer(idle);
  idle = clock.setTimer(() => process.exit(0), idleMs);
}

process.on("message", (call: MediaCall) => {
  clock.clearTimer(idle);
  waitingCount += 1;
  work = work.then(async () => {
    const answered = await answer(call);
    process.send?.(answered);
    waitingCount -= 1;
    if (waitingCount === 0) rest();
  });
});
rest();
