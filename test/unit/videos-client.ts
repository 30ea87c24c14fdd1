/** A client of the OpenAI-compatible routes for tests: it holds every answer against the contract's schema. */
import { problemSchema } from "../../src/contract/problem.ts";
import { type VideoObject, videoListSchema, videoObjectSchema } from "../../src/contract/videos-wire.ts";
import type { JobSpec } from "../../src/core/job.ts";
import { png, type ServerWorld } from "./server-world.ts";

export const small = { prompt: "a red fox runs across fresh snow", size: "854x480", seconds: "2" };

export const pngUrl = `data:image/png;base64,${Buffer.from(png).toString("base64")}`;

type Headers = Readonly<Record<string, string>>;
type Form = readonly (readonly [name: string, value: string | Blob])[];

/** An answer that must be a video. */
export async function videoIn(answer: Response): Promise<VideoObject> {
  const body: unknown = await answer.json();
  if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${JSON.stringify(body)}`);
  return videoObjectSchema.parse(body);
}

/** An answer that must be a refusal. */
export async function refusalOf(answer: Response | Promise<Response>) {
  const given = await answer;
  return { status: given.status, error: problemSchema.parse(await given.json()).error };
}

/** Speaks to the world of the test that runs. */
export function videosClient(world: () => ServerWorld) {
  const send = async (body: Record<string, unknown>, headers: Headers = {}): Promise<Response> =>
    world().app.request("/v1/videos", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  const sendForm = async (fields: Form): Promise<Response> => {
    const form = new FormData();
    for (const [name, value] of fields) form.append(name, value);
    return world().app.request("/v1/videos", { method: "POST", body: form });
  };
  const get = async (path: string, headers: Headers = {}): Promise<Response> => world().app.request(path, { headers });
  return {
    send,
    sendForm,
    get,
    create: async (body: Record<string, unknown> = {}, headers: Headers = {}) =>
      videoIn(await send({ ...small, ...body }, headers)),
    videoOf: async (id: string) => videoIn(await get(`/v1/videos/${id}`)),
    listed: async (query = "") => videoListSchema.parse(await (await get(`/v1/videos${query}`)).json()),
    remove: async (id: string): Promise<Response> => world().app.request(`/v1/videos/${id}`, { method: "DELETE" }),
    specOf: async (id: string): Promise<JobSpec> => {
      const job = await world().store.jobs.get(id);
      if (job === null) throw new Error(`no job ${id}`);
      return job.spec;
    },
  };
}
