/** Hands the frames of /inspect to Stately's hosted viewer, which listens to the window that opened it and to nobody else. */
import { ask, keyProtocols } from "./key.js";

const viewer = "https://stately.ai";
const say = (text) => {
  document.getElementById("state").textContent = text;
};
let opened;
let socket;
let count = 0;

/** Asks once by plain HTTP, so that a key is asked for; 426 says that a socket would be answered. */
async function feed() {
  const { status } = await ask("/inspect");
  if (status === 404) return say("The service was not started for this: understudy serve --inspect.");
  if (status !== 426) return say("The key must be an operator's.");
  socket?.close();
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/inspect`, keyProtocols());
  socket.onmessage = ({ data }) => {
    count += 1;
    opened.postMessage(JSON.parse(data), viewer);
    say(`${count} frames were handed over.`);
  };
  socket.onclose = () => say(`The connection ended after ${count} frames. Open the viewer again.`);
}

addEventListener("message", ({ origin, source, data }) => {
  if (origin === viewer && source === opened && data?.type === "@statelyai.connected") void feed();
});
document.getElementById("open").addEventListener("submit", (event) => {
  event.preventDefault();
  count = 0;
  say("Waiting for the viewer.");
  opened = open(`${viewer}/inspect`, "xstateinspector");
  if (opened === null) say("The browser did not open a window; allow this page to.");
});
