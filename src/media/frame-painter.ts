/** Paints the pictures of stand-ins and of simulated clips. The same look and index always give the same pixels. */
import { createCanvas, type SKRSContext2D } from "@napi-rs/canvas";
import { createLettering, type Lettering } from "./lettering.ts";

/** One look of a clip: what is written, and in which colours. */
export interface ClipLook {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** The one word that says what this is, in the largest letters. */
  readonly headline: string;
  readonly prompt: string;
  readonly facts: readonly string[];
  readonly hue: number;
  readonly isStriped: boolean;
  /** The picture is nothing but black, as after a failed decode. */
  readonly isBlack: boolean;
}

export interface FramePainter {
  /** RGBA pixels of frame `index`, the same for the same look and index. */
  paint(index: number): Uint8Array;
}

/** Breaks words into lines of at most `limit` pixels; the last line ends in an ellipsis when words are left. */
function wrap(widthOf: (text: string) => number, text: string, limit: number, lineCount: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).slice(0, 80)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (widthOf(longer) <= limit) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
    if (lines.length === lineCount) return [...lines.slice(0, -1), `${lines.at(-1)} …`];
  }
  return [...lines, line].filter((found) => found !== "");
}

function paintBackground(context: SKRSContext2D, look: ClipLook, index: number): void {
  const { width, height, hue } = look;
  const turn = (index / Math.max(1, look.frames)) * Math.PI * 2;
  const sky = context.createLinearGradient(0, 0, width, height);
  sky.addColorStop(0, `hsl(${(hue + index * 2) % 360} 55% 24%)`);
  sky.addColorStop(1, `hsl(${(hue + 60 + index * 2) % 360} 60% 42%)`);
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  for (let ball = 0; ball < 5; ball += 1) {
    const angle = turn + ball * 1.3;
    context.beginPath();
    context.arc(
      width * (0.5 + 0.42 * Math.cos(angle)),
      height * (0.5 + 0.36 * Math.sin(angle * (1 + ball * 0.2))),
      height * (0.06 + ball * 0.012),
      0,
      Math.PI * 2,
    );
    context.fillStyle = `hsl(${(hue + ball * 40 + index * 3) % 360} 80% 65% / 45%)`;
    context.fill();
  }
  if (look.isStriped) paintStripes(context, look, index);
}

/** Stripes move diagonally, so that a stand-in is told from a real clip at a glance, without reading. */
function paintStripes(context: SKRSContext2D, { width, height }: ClipLook, index: number): void {
  const band = height * 0.09;
  for (const top of [0, height - band]) {
    context.save();
    context.beginPath();
    context.rect(0, top, width, band);
    context.clip();
    context.fillStyle = "#f4c20d";
    context.fillRect(0, top, width, band);
    context.fillStyle = "#1b1b1b";
    for (let x = -band * 2 + ((index * 6) % (band * 2)); x < width + band; x += band * 2) {
      context.beginPath();
      context.moveTo(x, top + band);
      context.lineTo(x + band, top);
      context.lineTo(x + band * 2, top);
      context.lineTo(x + band, top + band);
      context.fill();
    }
    context.restore();
  }
}

function blackPixels(width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 4);
  for (let alpha = 3; alpha < pixels.length; alpha += 4) pixels[alpha] = 255;
  return pixels;
}

export function createFramePainter(
  look: ClipLook,
  letteringOf: (context: SKRSContext2D) => Lettering = createLettering,
): FramePainter {
  const { width, height } = look;
  const canvas = createCanvas(width, height);
  const context = canvas.getContext("2d");
  const lettering = letteringOf(context);
  const large = Math.max(8, Math.round(height / 9));
  const small = Math.max(7, Math.round(height / 22));
  const promptPixels = small * 1.3;
  const lines = wrap((text) => lettering.widthOf(text, promptPixels), look.prompt, width * 0.88, 3);
  const paintWords = (index: number): void => {
    const x = width * 0.05;
    let y = height * 0.11 + large;
    lettering.write(look.headline, { x, y, heightPixels: large, isBold: true });
    for (const line of lines) {
      y += small * 2;
      lettering.write(line, { x, y, heightPixels: promptPixels, isBold: false });
    }
    y = height * 0.88 - look.facts.length * small * 1.4;
    for (const fact of [...look.facts, `frame ${index + 1} of ${look.frames}`]) {
      lettering.write(fact, { x, y, heightPixels: small, isBold: false });
      y += small * 1.4;
    }
  };
  return {
    paint: (index) => {
      if (look.isBlack) return blackPixels(width, height);
      paintBackground(context, look, index);
      paintWords(index);
      context.fillStyle = "#ffffff";
      context.fillRect(
        0,
        height - Math.max(2, height / 90),
        (width * (index + 1)) / look.frames,
        Math.max(2, height / 90),
      );
      const { data } = context.getImageData(0, 0, width, height);
      return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    },
  };
}
