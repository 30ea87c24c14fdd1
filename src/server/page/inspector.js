/** Hands the frames of /inspect to Stately's hosted viewer, which listens to the window that opened it and to nobody else. */
import { ask, keyProtocols } from "./key.js";

const viewer = "https://stately.ai";
const say = (text) => {
  document.getElementById("state").textContent = text;
};
let opened;
let socket;
let count = 0;

/** Reads something first, so that a key is asked for where one is needed: a socket could not say that it is. */
async function feed() {
  const { ok } = await ask("/api/v1/machines");
  if (!ok) return say("The service does not answer as it should.");
  socket?.close();
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/inspect`, keyProtocols());
  socket.onmessage = ({ data }) => {
    count += 1;
    opened.postMessage(JSON.parse(data), viewer);
    say(`${count} frames were handed over.`);
  };
  const refused =
    "It was refused: the service must be started with understudy serve --inspect, and a key must be an operator's.";
  socket.onclose = () =>
    say(count === 0 ? refused : `The connection ended after ${count} frames. Open the viewer again.`);
}

addEventListener("message", ({ origin, source, data }) => {
  if (origin === viewer && source === opened && data?.type === "@statelyai.connected")
    feed().catch(() => say("The service does not answer."));
});
document.getElementById("open").addEventListener("submit", (event) => {
  event.preventDefault();
  count = 0;
  say("Waiting for the viewer.");
  opened = open(`${viewer}/inspect`, "xstateinspector");
  if (opened === null) say("The browser did not open a window; allow this page to.");
});
