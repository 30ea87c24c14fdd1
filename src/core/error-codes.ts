/** One row per code: what it means, the HTTP status it becomes and what to do next. A code is never renamed. */
export interface ErrorCodeRow {
  readonly status: number;
  readonly meaning: string;
  readonly nextStep: string;
}

export const errorCodes = {
  REQUEST_INVALID: {
    status: 422,
    meaning: "The request's fields are not acceptable.",
    nextStep: "Correct the named field and send it again.",
  },
  REQUEST_MALFORMED: { status: 400, meaning: "The body could not be read.", nextStep: "Send valid JSON or multipart." },
  BODY_TOO_LARGE: { status: 413, meaning: "The body is larger than 12 MB.", nextStep: "Send a smaller image." },
  MEDIA_TYPE_UNSUPPORTED: {
    status: 415,
    meaning: "The content type is not one that this route reads.",
    nextStep: "Send application/json or multipart/form-data.",
  },
  IMAGE_ADDRESS_REFUSED: {
    status: 422,
    meaning: "An image was named by its address; this service fetches nothing on behalf of a request.",
    nextStep: "Send the image as a file of a multipart form, or as a data URL.",
  },
  IMAGE_UNCHECKED: {
    status: 503,
    meaning: "The image could not be decoded now, sound or not, so nothing was accepted.",
    nextStep: "Send it again after Retry-After; where it lasts, save the image anew and smaller.",
  },
  NOT_FOUND: {
    status: 404,
    meaning: "There is nothing under this address.",
    nextStep: "Check the address and the id.",
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    meaning: "This address does not take this method.",
    nextStep: "Use a method named in Allow.",
  },
  JOB_NOT_FOUND: {
    status: 404,
    meaning: "No job has this id.",
    nextStep: "Check the id; jobs are pruned after the retention.",
  },
  JOB_STATE_CONFLICT: {
    status: 409,
    meaning: "The job's state does not allow this.",
    nextStep: "Look at the job's state first.",
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 409,
    meaning: "This idempotency key was used with another request.",
    nextStep: "Use a new key for a new request.",
  },
  QUEUE_FULL: {
    status: 429,
    meaning: "The queue holds as many jobs as it may.",
    nextStep: "Wait until a job has ended.",
  },
  RATE_LIMITED: {
    status: 429,
    meaning: "One caller asks too often.",
    nextStep: "Wait for as long as Retry-After says.",
  },
  UNAUTHENTICATED: {
    status: 401,
    meaning: "A key is needed.",
    nextStep: "Send Authorization: Bearer <key>; the command line takes it from UNDERSTUDY_API_KEY.",
  },
  ROLE_INSUFFICIENT: {
    status: 403,
    meaning: "The key's role does not allow this.",
    nextStep: "Use a key of the role that is named.",
  },
  ORIGIN_REFUSED: {
    status: 403,
    meaning: "The request comes from a foreign page.",
    nextStep: "Call from the service's own address.",
  },
  HOST_REFUSED: {
    status: 421,
    meaning: "The Host header names a host that this service does not serve.",
    nextStep: "Use 127.0.0.1 or localhost, or have an operator list the name in allowedHosts.",
  },
  DISK_FULL: {
    status: 503,
    meaning: "The disk of the state directory or of the models is below its floor.",
    nextStep: "Free disk space; the service goes on by itself.",
  },
  STORE_UNAVAILABLE: { status: 503, meaning: "The store cannot write now.", nextStep: "Try again after Retry-After." },
  STORE_CORRUPT: {
    status: 500,
    meaning: "The store's file is damaged.",
    nextStep: "Restore it from a backup, as docs/operations.md says.",
  },
  STORE_SCHEMA_NEWER: {
    status: 500,
    meaning: "The database was written by a newer version.",
    nextStep: "Start a version at least that new.",
  },
  DRAINING: {
    status: 503,
    meaning: "The service is stopping and takes no new work.",
    nextStep: "Try again after it has started again.",
  },
  INTAKE_DRAINED: {
    status: 503,
    meaning: "An operator has drained the intake: nothing new is taken, and what was accepted is rendered.",
    nextStep: "Submit again after an operator has resumed it.",
  },
  WEBHOOK_REFUSED: {
    status: 422,
    meaning: "The webhook's address is not one that this service calls, or there is no secret to sign with.",
    nextStep: "Do what the detail says; a public http or https address needs no permission.",
  },
  SERVICE_UNREACHABLE: {
    status: 503,
    meaning: "No service answers the command line.",
    nextStep: "Start one on this state directory, or name another with --state-dir.",
  },
  FEATURE_UNSUPPORTED: {
    status: 501,
    meaning: "This service does not do that.",
    nextStep: "Use one of the routes in /openapi.json.",
  },
  INTERNAL_ERROR: { status: 500, meaning: "A defect of this program.", nextStep: "Report it with the request id." },
  ENVELOPE_TOO_LARGE: {
    status: 422,
    meaning: "The request fits this card in no load profile and no change that the job allows.",
    nextStep: "Ask for fewer frames or a smaller size.",
  },
  LORA_UNSUPPORTED: {
    status: 422,
    meaning:
      "No worker here can render with this LoRA: it does not fit the model, or this service has no folder of LoRAs.",
    nextStep: "Leave the LoRA out, name another one, or set models.loraDir.",
  },
  JOB_DEADLINE_EXCEEDED: {
    status: 504,
    meaning: "The job's deadline passed before its result was ready.",
    nextStep: "Submit it again with a later deadline.",
  },
  JOB_UNRENDERABLE: {
    status: 422,
    meaning: "The job failed the same way on another worker or in a fresh process, while test renders passed.",
    nextStep: "Look at its attempts and their evidence; change what it asks for, or report the defect with them.",
  },
  JOB_QUARANTINED: {
    status: 409,
    meaning: "The job's render ended the worker twice and was set aside.",
    nextStep: "Look at its evidence, then release or drop it.",
  },
  HOST_UNSTABLE: {
    status: 503,
    meaning:
      "Workers died too often under this job, not because of it. Older versions ended jobs so; this one lets them wait.",
    nextStep: "Repair the host, then submit it again.",
  },
  DRILL_NOT_POSSIBLE: {
    status: 409,
    meaning: "The drill cannot be run now.",
    nextStep: "Wait until the service is ready and no other drill runs.",
  },
  NO_REAL_ROUTE: {
    status: 503,
    meaning: "No worker can give real output, and the job does not want to wait.",
    nextStep: "Submit with fallback wait or stand_in_then_real.",
  },
  STAND_IN_FAILED: {
    status: 503,
    meaning: "The stand-in could not be made.",
    nextStep: "Look at the incident; the job itself still waits for its real result.",
  },
  GPU_OUT_OF_MEMORY: {
    status: 503,
    meaning: "The card's memory did not suffice.",
    nextStep: "Recovery acts by itself; where it does not help, ask for fewer frames or a smaller size.",
  },
  GPU_CONTEXT_POISONED: {
    status: 503,
    meaning: "The device context is unusable in this process.",
    nextStep: "The worker is restarted.",
  },
  GPU_LOST: {
    status: 503,
    meaning: "The card does not answer on its bus any more.",
    nextStep: "Reboot the host; no restart of a process brings the card back.",
  },
  GPU_RESET_REQUIRED: {
    status: 503,
    meaning: "The driver wants the card reset before it is used again.",
    nextStep: "Stop what uses the card and run nvidia-smi --gpu-reset as root, or reboot the host.",
  },
  GPU_MEMORY_FAULT: {
    status: 503,
    meaning: "The card's memory had an error that it could not correct.",
    nextStep: "The worker is restarted; when it comes back, have the card inspected.",
  },
  GPU_HARDWARE: {
    status: 503,
    meaning: "The card reports a fault of its hardware, its power or its links.",
    nextStep: "Have the card, its power cables and its links inspected.",
  },
  GPU_LINK_FAILED: {
    status: 503,
    meaning: "Several cards that work together lost each other.",
    nextStep: "The worker is restarted; when it comes back, have the links between the cards inspected.",
  },
  GPU_DRIVER_FAILED: {
    status: 503,
    meaning: "The GPU driver is missing, too old, or does not match its library.",
    nextStep: "Install or repair the driver, or reboot the host after its update.",
  },
  GPU_THROTTLED: {
    status: 503,
    meaning: "The card slows itself down because of heat or power.",
    nextStep: "Check cooling and power; renders go on, more slowly.",
  },
  HOST_OUT_OF_MEMORY: {
    status: 503,
    meaning: "The host's memory did not suffice, or the kernel ended a worker for want of it.",
    nextStep: "Give the service more memory, or run fewer workers on this host.",
  },
  OPTIMIZATION_UNAVAILABLE: {
    status: 503,
    meaning: "An optimisation cannot be applied on this host.",
    nextStep: "Install what the worker names, or turn the optimisation off; renders go on without it.",
  },
  WORKER_EXITED: { status: 503, meaning: "The worker process ended.", nextStep: "It is restarted by itself." },
  WORKER_SILENT: {
    status: 503,
    meaning: "The worker process does not answer.",
    nextStep: "It is stopped and restarted.",
  },
  WORKER_STALLED: {
    status: 503,
    meaning: "The render made no progress for too long.",
    nextStep: "The worker is stopped and restarted.",
  },
  WORKER_PROTOCOL_MISMATCH: {
    status: 503,
    meaning: "The worker speaks another protocol version.",
    nextStep: "Install matching versions.",
  },
  WORKER_CONFIGURATION: {
    status: 503,
    meaning: "The worker says that its configuration is wrong.",
    nextStep: "Correct the worker's configuration.",
  },
  WORKER_ERROR: {
    status: 503,
    meaning: "The worker reported an error that matches no known class.",
    nextStep: "Look at the raw evidence in the incident; the worker's log has the rest.",
  },
  MODEL_FILE_CORRUPT: {
    status: 503,
    meaning: "A model file is damaged.",
    nextStep: "It is verified and fetched again.",
  },
  MODEL_NOT_AVAILABLE: {
    status: 503,
    meaning: "The model cannot be loaded.",
    nextStep: "Do what the incident asks of a person: accept the licence, set a token, or correct the name.",
  },
  MODEL_GATED: {
    status: 503,
    meaning: "The model's files are given only to those who accepted its licence.",
    nextStep: "Accept the licence on the model's page and set HF_TOKEN to a token of that account.",
  },
  MODEL_ACCESS_DENIED: {
    status: 503,
    meaning: "The hub does not let this account, or nobody without one, read the model.",
    nextStep: "Set HF_TOKEN to a valid token that may read the model.",
  },
  MODEL_NOT_FOUND: {
    status: 503,
    meaning: "The hub has no such model, revision or file, or keeps it private.",
    nextStep: "Correct the repository or revision; for a private one set HF_TOKEN.",
  },
  MODEL_DOES_NOT_FIT: {
    status: 422,
    meaning: "This machine carries the model in no memory mode: its card or its memory is too small.",
    nextStep: "Take the model that the message names, or a larger machine; understudy doctor shows the figures.",
  },
  MODEL_BUSY: {
    status: 409,
    meaning: "Another process downloads, verifies or removes this model now.",
    nextStep: "Wait until it has ended, or stop it.",
  },
  OUTPUT_INVALID: {
    status: 503,
    meaning: "The rendered file does not play or is not what was asked for.",
    nextStep: "It is rendered once more; the same again ends the job. The file is among its artifacts, as rejected.",
  },
  SYSTEM_RESOURCE: {
    status: 503,
    meaning: "A resource of the host could not be measured or had.",
    nextStep: "Check what the message names: a file, a limit or a tool.",
  },
  NETWORK_UNREACHABLE: {
    status: 503,
    meaning: "A remote host does not answer.",
    nextStep: "It is tried again by itself; check the network when it lasts.",
  },
  CONFIGURATION_INVALID: {
    status: 500,
    meaning: "The configuration is not acceptable.",
    nextStep: "Correct the named field.",
  },
  STATE_DIR_IN_USE: {
    status: 500,
    meaning: "Another supervisor owns the state directory.",
    nextStep: "Stop it, or use another directory.",
  },
  STATE_DIR_UNUSABLE: {
    status: 500,
    meaning: "The state directory cannot be written.",
    nextStep: "Choose a writable directory.",
  },
  ADDRESS_IN_USE: { status: 500, meaning: "The port is taken.", nextStep: "Stop the other program, or use --port." },
  INSECURE_BINDING: {
    status: 500,
    meaning: "A reachable address without a key is refused.",
    nextStep: "Set UNDERSTUDY_API_KEY, or bind to 127.0.0.1.",
  },
} as const satisfies Record<string, ErrorCodeRow>;

export type ErrorCode = keyof typeof errorCodes;
