/** Static files of the pages. They hold no data, so that they need no key; what they ask for does. */
import { z } from "zod";
import type { AccessRole } from "../../core/words.ts";
import { apiRoute } from "./api-route.ts";

export const pageFile = <Path extends string>(path: Path, mimeType: string, role: AccessRole = "open") =>
  apiRoute({
    method: "get",
    path,
    role,
    tags: ["pages"],
    summary: `A page's file, ${mimeType}.`,
    responses: {
      200: { description: "The file.", content: { [mimeType]: { schema: z.string() } } },
      304: { description: "The file has not changed." },
    },
  });
