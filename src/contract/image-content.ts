/** What an uploaded image really is: its first bytes decide, never its name or declared type. */
const imageTypes = ["image/jpeg", "image/png", "image/webp"] as const;
export type ImageType = (typeof imageTypes)[number];

export const longestImageBytes = 10 * 1024 * 1024;

const startsWith = (bytes: Uint8Array, signature: readonly number[], offset = 0): boolean =>
  signature.every((byte, index) => bytes[offset + index] === byte);

const ascii = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));

/** Signatures: JFIF/ITU-T T.81, PNG (RFC 2083), WebP container (RFC 9649). */
export function imageTypeOf(bytes: Uint8Array): ImageType | null {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return "image/jpeg";
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return "image/png";
  return startsWith(bytes, ascii("RIFF")) && startsWith(bytes, ascii("WEBP"), 8) ? "image/webp" : null;
}

/** Why these bytes are no acceptable image; null when they are. */
export function imageProblem(field: string, bytes: Uint8Array): string | null {
  if (bytes.length === 0) return `${field} is an empty file`;
  if (bytes.length > longestImageBytes) return `${field} is larger than 10 MB`;
  return imageTypeOf(bytes) === null ? `${field} must be a JPEG, PNG or WebP image; its content is none of them` : null;
}
