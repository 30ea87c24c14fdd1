/** The variables of Hugging Face's own tools, with their meaning there. */
export interface HubEnvironment {
  readonly endpoint: string;
  readonly cacheDir: string;
  readonly token: string | null;
  /** Where `hf auth login` keeps a token; read when there is none in the environment. */
  readonly tokenPath: string;
}

const given = (text: string | undefined): string | undefined =>
  text === undefined || text.trim() === "" ? undefined : text.trim();

export function readHubEnvironment(environment: Readonly<Record<string, string | undefined>>): HubEnvironment {
  const read = (name: string): string | undefined => given(environment[name]);
  const cacheHome = read("XDG_CACHE_HOME") ?? `${read("HOME") ?? ""}/.cache`;
  const home = read("HF_HOME") ?? `${cacheHome}/huggingface`;
  return {
    endpoint: read("HF_ENDPOINT") ?? "https://huggingface.co",
    cacheDir: read("HF_HUB_CACHE") ?? read("HUGGINGFACE_HUB_CACHE") ?? `${home}/hub`,
    token: read("HF_TOKEN") ?? read("HUGGING_FACE_HUB_TOKEN") ?? null,
    tokenPath: read("HF_TOKEN_PATH") ?? `${home}/token`,
  };
}
