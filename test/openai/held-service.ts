/**
 * A real service whose worker is held before its model is loaded, so that tests of OpenAI's packages see the stand-in
 * first and then the real video.
 */
import { createCanvas } from "@napi-rs/canvas";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";

export interface HeldService extends RunningService {
  /** From now on the main model loads and renders. */
  readonly letGo: () => void;
  /** Ends it and forgets its state. */
  readonly end: () => Promise<void>;
}

/** A service whose worker is stopped before it has loaded its model, so that whoever orders is shown a stand-in. */
export async function startHeldService(): Promise<HeldService> {
  const directory = makeStateDir();
  const env = {
    UNDERSTUDY_STAND_IN_AFTER: "0s",
    UNDERSTUDY_SIM_SPEED: "2",
    // A busy processor would hold stand-ins back.
    UNDERSTUDY_HEALTH_SAMPLE: "5m",
    UNDERSTUDY_SUPERVISION_SILENCE: "5m",
    UNDERSTUDY_SUPERVISION_LOADING_SILENCE: "5m",
  };
  const service = await startService({ stateDir: directory.path, env });
  const { pid } = await until("the worker is there", () => service.worker());
  process.kill(pid, "SIGSTOP");
  const end = async (): Promise<void> => {
    await endService(service);
    directory.remove();
  };
  return { ...service, letGo: () => process.kill(pid, "SIGCONT"), end };
}

/** A PNG from which a video can begin. */
export function drawPicture(): Buffer {
  const canvas = createCanvas(854, 480);
  const context = canvas.getContext("2d");
  context.fillStyle = "#c2410c";
  context.fillRect(0, 0, 400, 480);
  return canvas.toBuffer("image/png");
}
