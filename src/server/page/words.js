/** What the page says of modes, phases and jobs, by the names that the API gives them. */
export const modes = {
  degraded: "working with limits",
  recovering: "repairing itself",
  mock: "stand-ins only",
  draining: "stopping",
};
export const phases = {
  encode: "reading the prompt",
  denoise: "rendering",
  decode: "decoding the frames",
  mux: "writing the file",
};
export const stages = {
  "job.claimed": "begins",
  "job.adopted": "goes on",
  "job.retried": "interrupted; goes on when the worker is back",
  "job.released": "interrupted; goes on when the worker is back",
  "job.cancelRequested": "is being cancelled",
  "job.stoodIn": "a stand-in plays until the real video is ready",
};
export const waiting = "waits for its turn";
export const ends = ["job.succeeded", "job.failed", "job.cancelled", "job.quarantined", "job.expired"];
