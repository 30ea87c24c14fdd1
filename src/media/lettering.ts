/** Writes words into pictures, also on hosts without any font: a stand-in must say that it is one everywhere. */
import type { SKRSContext2D } from "@napi-rs/canvas";

/** A way to bring words into a picture. */
export interface Lettering {
  widthOf(text: string, heightPixels: number): number;
  /** Writes in white on a soft shadow; `y` is the base line. */
  write(
    text: string,
    place: { readonly x: number; readonly y: number; readonly heightPixels: number; readonly isBold: boolean },
  ): void;
}

const family = "DejaVu Sans, Liberation Sans, Arial, Helvetica, sans-serif";
const shadow = "rgb(0 0 0 / 60%)";
const shadowPixels = 2;

/** A letter has seven rows of five cells; each row is a digit to the base of 32, the left cell its highest bit. */
const glyphRowCount = 7;
const glyphColumnCount = 5;
const glyphs: Readonly<Record<string, string>> = {
  A: "ehhvhhh",
  B: "uhhuhhu",
  C: "fgggggf",
  D: "uhhhhhu",
  E: "vgguggv",
  F: "vgguggg",
  G: "fggjhhf",
  H: "hhhvhhh",
  I: "e44444e",
  J: "72222ic",
  K: "hikokih",
  L: "ggggggv",
  M: "hrllhhh",
  N: "hpljhhh",
  O: "ehhhhhe",
  P: "uhhuggg",
  Q: "ehhhlid",
  R: "uhhukih",
  S: "fgge11u",
  T: "v444444",
  U: "hhhhhhe",
  V: "hhhhha4",
  W: "hhhllrh",
  X: "hha4ahh",
  Y: "hha4444",
  Z: "v1248gv",
  0: "ehjlphe",
  1: "4c4444e",
  2: "eh1248v",
  3: "u11e11u",
  4: "26aiv22",
  5: "vgu11he",
  6: "egguhhe",
  7: "v124888",
  8: "ehhehhe",
  9: "ehhf11e",
  "-": "000v000",
  ".": "00000cc",
  ",": "0000c48",
  ":": "0cc0cc0",
  "'": "4400000",
  "!": "4444404",
  "/": "11248gg",
  "?": "eh12404",
};
const unknownGlyph = "vhhhhhv";

function createFontLettering(context: SKRSContext2D): Lettering {
  const fontOf = (heightPixels: number, isBold: boolean): string =>
    `${isBold ? "bold " : ""}${heightPixels}px ${family}`;
  return {
    widthOf: (text, heightPixels) => {
      context.font = fontOf(heightPixels, false);
      return context.measureText(text).width;
    },
    write: (text, { x, y, heightPixels, isBold }) => {
      context.font = fontOf(heightPixels, isBold);
      context.fillStyle = shadow;
      context.fillText(text, x + shadowPixels, y + shadowPixels);
      context.fillStyle = "#ffffff";
      context.fillText(text, x, y);
    },
  };
}

/** Letters of blocks, in capitals, serve hosts without any font: there a canvas draws no text and reports no error. */
export function createBlockLettering(context: SKRSContext2D): Lettering {
  const cellOf = (heightPixels: number): number => Math.max(1, Math.round(heightPixels / (glyphRowCount + 2)));
  const fill = (text: string, x: number, y: number, cell: number): void => {
    for (const [index, letter] of [...text.toUpperCase()].entries()) {
      const rows = letter === " " ? "0".repeat(glyphRowCount) : (glyphs[letter] ?? unknownGlyph);
      for (let row = 0; row < glyphRowCount; row += 1) {
        const bits = Number.parseInt(rows[row] ?? "0", 32);
        for (let column = 0; column < glyphColumnCount; column += 1) {
          if ((bits & (1 << (glyphColumnCount - 1 - column))) === 0) continue;
          context.fillRect(
            x + (index * (glyphColumnCount + 1) + column) * cell,
            y - (glyphRowCount - row) * cell,
            cell,
            cell,
          );
        }
      }
    }
  };
  return {
    widthOf: (text, heightPixels) => [...text].length * (glyphColumnCount + 1) * cellOf(heightPixels),
    write: (text, { x, y, heightPixels }) => {
      const cell = cellOf(heightPixels);
      context.fillStyle = shadow;
      fill(text, Math.round(x) + shadowPixels, Math.round(y) + shadowPixels, cell);
      context.fillStyle = "#ffffff";
      fill(text, Math.round(x), Math.round(y), cell);
    },
  };
}

/** Takes the host's fonts where it has any that give a word its width, else letters of our own. */
export function createLettering(context: SKRSContext2D): Lettering {
  const byFont = createFontLettering(context);
  return byFont.widthOf("STAND-IN", 20) > 0 ? byFont : createBlockLettering(context);
}
