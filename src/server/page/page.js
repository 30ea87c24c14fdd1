/** The page follows the event stream; the browser reconnects by itself, and a snapshot brings it up to date. */
const at = (id) => document.getElementById(id);
const modes = {
  degraded: "working with limits",
  recovering: "repairing itself",
  mock: "stand-ins only",
  draining: "stopping",
  lost: "not connected",
};
const ends = ["job.succeeded", "job.failed", "job.cancelled", "job.released", "job.retried", "job.quarantined", "job.expired"];
const eventCount = 10;
const stream = new EventSource("/api/v1/events");
const followed = new Set();
let prompts = new Map();

function showMode({ mode, sentence }) {
  document.body.dataset.mode = mode;
  at("mode-word").textContent = modes[mode] ?? mode;
  at("sentence").textContent = sentence;
}
const showLoss = () => showMode({ mode: "lost", sentence: "The connection was lost; the page connects again by itself." });

function showRow(row) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  const text = document.createElement("span");
  time.dateTime = row.at;
  time.textContent = new Date(row.at).toLocaleTimeString([], { hourCycle: "h23" });
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
  const kind = video.is_mock ? "Stand-in, not the real video" : video.simulated ? "Simulated video" : "Real video";
  at("clip").hidden = false;
  at("clip-kind").textContent = `${kind}:`;
  at("clip-prompt").textContent = video.prompt;
  if (at("video").getAttribute("src") !== video.artifact_url) at("video").setAttribute("src", video.artifact_url);
}

async function read(path) {
  const answer = await fetch(path);
  return answer.ok ? answer.json() : undefined;
}

/** A job began, ended or has something new to see. */
async function followJob({ kind, job_id: id }) {
  if (ends.includes(kind) && at("job").dataset.id === id) showProgress(undefined);
  if (kind === "job.claimed" && !prompts.has(id)) prompts.set(id, (await read(`/api/v1/generate/${id}`))?.prompt);
  const video = kind === "job.succeeded" || kind === "job.stoodIn" ? await read(`/api/v1/outputs/${id}`) : undefined;
  if (video !== undefined) showClip(video);
}

/** Named events reach only their own listeners; the snapshot says which of them have words. */
function follow(kind) {
  if (followed.has(kind)) return;
  followed.add(kind);
  stream.addEventListener(kind, (event) => {
    const row = JSON.parse(event.data);
    if (row.text !== undefined) showRow(row);
    followJob(row).catch(showLoss);
  });
}

function showSnapshot(snapshot) {
  showMode(snapshot);
  prompts = new Map(snapshot.tasks.map((task) => [task.id, task.prompt]));
  at("events").replaceChildren();
  for (const row of snapshot.recent) showRow(row);
  at("kill").hidden = !snapshot.simulated;
  showProgress(snapshot.running[0]);
  if (snapshot.last_output !== undefined) showClip(snapshot.last_output);
  for (const kind of snapshot.described_kinds) follow(kind);
}

/** Posts, says what came of it, and keeps the button from being pressed twice. */
async function press(button, path, body) {
  button.disabled = true;
  try {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const content = await answer.json();
    const said = content.task_id === undefined ? content.message : `Accepted as job ${content.task_id.slice(0, 8)}.`;
    at("answer").textContent = answer.ok ? said : content.detail;
    if (content.task_id !== undefined) prompts.set(content.task_id, body.prompt);
  } catch {
    at("answer").textContent = "The service does not answer.";
  }
  button.disabled = false;
}

for (const [kind, show] of Object.entries({ snapshot: showSnapshot, mode: showMode, progress: showProgress })) {
  stream.addEventListener(kind, (event) => show(JSON.parse(event.data)));
}
stream.addEventListener("error", showLoss);
at("make").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = { model_type: "T2V-A14B", prompt: at("prompt").value, resolution: "854x480", steps: 20, num_frames: 33 };
  void press(event.submitter ?? at("make-one"), "/api/v1/generation/submit", body);
});
at("kill").addEventListener("click", () => void press(at("kill"), "/api/v1/simulator/kill", {}));
