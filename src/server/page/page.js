/** The page follows the event stream; the browser reconnects by itself, and the first event brings it up to date. */
const at = (id) => document.getElementById(id);
const words = { loading: "loading", ready: "ready", degraded: "working with limits", recovering: "repairing itself", mock: "stand-ins only", draining: "stopping", lost: "not connected" };
const eventCount = 10;
let prompts = new Map();
let shown = "";

function showMode(mode, sentence) {
  document.body.dataset.mode = mode;
  at("mode-word").textContent = words[mode] ?? mode;
  at("sentence").textContent = sentence;
}

function showRow(row) {
  if (row.text === undefined) return;
  const line = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = row.at;
  time.textContent = new Date(row.at).toLocaleTimeString();
  const text = document.createElement("span");
  text.textContent = row.text;
  line.append(time, text);
  at("events").prepend(line);
  while (at("events").children.length > eventCount) at("events").lastElementChild.remove();
}

function showProgress(running) {
  at("job").hidden = running === undefined;
  if (running === undefined) return;
  at("job").dataset.id = running.job_id;
  at("job-prompt").textContent = prompts.get(running.job_id) ?? "";
  at("job-step").textContent = `${running.phase}, step ${running.step} of ${running.of}`;
  at("job-bar").value = running.progress;
}

function showClip(video) {
  if (video === undefined) return;
  const made = video.simulated ? "Simulated video" : "Real video";
  at("clip").hidden = false;
  at("clip-kind").textContent = video.is_mock ? "Stand-in, not the real video:" : `${made}:`;
  at("clip-prompt").textContent = video.prompt;
  if (shown !== video.artifact_url) at("video").src = video.artifact_url;
  shown = video.artifact_url;
}

function showSnapshot(snapshot) {
  showMode(snapshot.mode, snapshot.sentence);
  prompts = new Map(snapshot.tasks.map((task) => [task.id, task.prompt]));
  at("events").replaceChildren();
  for (const row of snapshot.recent) showRow(row);
  at("kill").hidden = !snapshot.simulated;
  showProgress(snapshot.running[0]);
  showClip(snapshot.last_output);
}

async function call(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const content = await answer.json();
  at("answer").textContent = answer.ok ? (content.message ?? "") : (content.detail ?? "The service refused.");
  return answer.ok ? content : undefined;
}

async function press(button, action) {
  button.disabled = true;
  try {
    await action();
  } catch {
    at("answer").textContent = "The service does not answer.";
  }
  button.disabled = false;
}

/** A job changed: its newest clip, or its end. */
async function followJob(row) {
  if (["job.succeeded", "job.failed", "job.cancelled", "job.released", "job.retried", "job.quarantined", "job.expired"].includes(row.kind) && at("job").dataset.id === row.job_id) showProgress(undefined);
  if (row.kind === "job.claimed" && !prompts.has(row.job_id)) prompts.set(row.job_id, (await (await fetch(`/api/v1/generate/${row.job_id}`)).json()).prompt);
  if (row.kind !== "job.succeeded" && row.kind !== "job.stoodIn") return;
  const answer = await fetch(`/api/v1/outputs/${row.job_id}`);
  if (answer.ok) showClip(await answer.json());
}

/** Named events reach only their own listeners, so that every kind with words is named here. */
const kinds = [
  "service.started", "mode.changed", "job.submitted", "job.claimed", "job.succeeded", "job.failed", "job.retried", "job.quarantined", "job.cancelled",
  "job.cancelRequested", "job.released", "job.adopted", "job.expired", "job.requeued", "job.stoodIn", "worker.connected", "worker.adopted", "worker.exited",
  "worker.crashLooped", "worker.killed", "pipeline.stalled", "model.proven", "model.loadFailed", "incident.opened", "incident.closed", "incident.stoodIn",
  "incident.exhausted", "rung.started", "rung.ended", "canary.passed", "canary.failed", "cooldown.started", "breaker.opened", "breaker.closed", "budget.exhausted", "health.changed", "service.stopped", "recovery.triggered", "recovery.reset",
];
const stream = new EventSource("/api/v1/events");
const on = (kind, show) => stream.addEventListener(kind, (event) => show(JSON.parse(event.data)));
on("snapshot", showSnapshot);
on("mode", ({ mode, sentence }) => showMode(mode, sentence));
on("progress", showProgress);
for (const kind of kinds) {
  on(kind, (row) => {
    showRow(row);
    followJob(row).catch(() => showMode("lost", "The connection to the service was lost; the page connects again by itself."));
  });
}
stream.addEventListener("error", () => showMode("lost", "The connection to the service was lost; the page connects again by itself."));

at("make").addEventListener("submit", (event) => {
  event.preventDefault();
  const prompt = at("prompt").value;
  press(event.submitter, async () => {
    const made = await call("/api/v1/generation/submit", { model_type: "T2V-A14B", prompt, resolution: "854x480", steps: 20, num_frames: 33 });
    if (made !== undefined) prompts.set(made.task_id, prompt);
  });
});
at("kill").addEventListener("click", (event) => press(event.currentTarget, () => call("/api/v1/simulator/kill", {})));
