/**
 * Reads what an image says about itself in its headers, before anything is decoded, so that no claim can fill the
 * memory.
 */
export interface ImageClaim {
  readonly width: number;
  readonly height: number;
}

const pixelsOf = ({ width, height }: ImageClaim): number => width * height;
/** The largest of several claims counts: one that is modest in its first header may be greedy in a later one. */
const largerOf = (one: ImageClaim | null, other: ImageClaim): ImageClaim =>
  one === null || pixelsOf(other) > pixelsOf(one) ? other : one;

function pngClaim(view: DataView): ImageClaim | null {
  return view.byteLength < 24 ? null : { width: view.getUint32(16), height: view.getUint32(20) };
}

const isStartOfFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
const isBare = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/**
 * Finds the next marker after entropy-coded data, in which 0xff is followed by 0 or by a restart marker (ITU-T T.81,
 * B.1.1.5).
 */
function endOfScan(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1] ?? 0;
    if (next !== 0 && next !== 0xff && !isBare(next)) return at;
  }
  return bytes.length;
}

/**
 * Reads a JPEG's claim. Null also where the end marker is missing: decoders paint what is not there in grey, and call
 * it a picture.
 */
function jpegClaim(view: DataView, bytes: Uint8Array): ImageClaim | null {
  let claim: ImageClaim | null = null;
  for (let at = 2; at + 1 < bytes.length; ) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xd9) return claim;
    if (marker === 0xff) at += 1;
    else if (isBare(marker)) at += 2;
    else {
      if (at + 4 > bytes.length) return null;
      if (isStartOfFrame(marker) && at + 9 <= bytes.length)
        claim = largerOf(claim, { height: view.getUint16(at + 5), width: view.getUint16(at + 7) });
      at += 2 + view.getUint16(at + 2);
      if (marker === 0xda) at = endOfScan(bytes, at);
    }
  }
  return null;
}

const chunkName = (view: DataView, at: number): string =>
  String.fromCharCode(...[0, 1, 2, 3].map((offset) => view.getUint8(at + offset)));

/** Reads the claim of one chunk of a WebP file (RFC 9649, 2.5 to 2.7); null for one that says no size. */
function chunkClaim(view: DataView, at: number): ImageClaim | null {
  const body = at + 8;
  if (body + 10 > view.byteLength) return null;
  const name = chunkName(view, at);
  const low24 = (from: number): number => view.getUint16(from, true) + view.getUint8(from + 2) * 0x1_0000;
  if (name === "VP8X") return { width: low24(body + 4) + 1, height: low24(body + 7) + 1 };
  if (name === "VP8 ")
    return { width: view.getUint16(body + 6, true) & 0x3fff, height: view.getUint16(body + 8, true) & 0x3fff };
  if (name !== "VP8L") return null;
  const bits = view.getUint32(body + 1, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

function webpClaim(view: DataView): ImageClaim | null {
  let claim: ImageClaim | null = null;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const found = chunkClaim(view, at);
    if (found !== null) claim = largerOf(claim, found);
    const length = view.getUint32(at + 4, true);
    at += 8 + length + (length % 2);
  }
  return claim;
}

/** Reads an image's claim; null where the headers say no size, or a JPEG has no end. */
export function readImageClaim(bytes: Uint8Array, mimeType: string): ImageClaim | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (mimeType === "image/png") return pngClaim(view);
  return mimeType === "image/jpeg" ? jpegClaim(view, bytes) : webpClaim(view);
}
