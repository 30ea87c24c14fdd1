/**
 * Evidence of faults of requests, model files and memory, as the libraries really word it, with the class that each
 * must get.
 */
import type { Evidence } from "../../src/core/fault.ts";
import type { FaultClass } from "../../src/core/words.ts";
import { comfyRefusal, cuda, exit, failure, hub401, memoryTexts } from "./recovery-raw-makers.ts";

/** Request, model files and memory: what is seen, its class, and the evidence as the libraries really write it. */
export const requestTexts: readonly (readonly [string, FaultClass, Evidence])[] = [
  [
    "a size that the model refuses",
    "request",
    failure("ValueError", "`height` and `width` have to be divisible by 16 but are 850 and 480."),
  ],
  [
    "no prompt",
    "request",
    failure(
      "ValueError",
      "Provide either `prompt` or `prompt_embeds`. Cannot leave both `prompt` and `prompt_embeds` undefined.",
    ),
  ],
  [
    "a size that no H.264 has",
    "request",
    failure("understudy_worker.errors.RequestError", "width and height must be even, for H.264: 853x480"),
  ],
  [
    "a LoRA that does not fit",
    "loraUnsupported",
    failure("understudy_worker.errors.LoraUnsupported", "LORA_UNSUPPORTED: ink.safetensors does not fit this model"),
  ],
  [
    "a black clip",
    "badOutput",
    failure("understudy_worker.errors.BadOutputError", "the clip is black", { phase: "mux" }),
  ],
  [
    "weights as pickle",
    "modelFile",
    failure(
      "understudy_worker.errors.ModelFilesError",
      "vae has its weights as pickle (model.bin); only safetensors are loaded",
      {
        phase: "load",
      },
    ),
  ],
  [
    "a guidance that the model lacks",
    "request",
    failure("ValueError", "`guidance_scale_2` is only supported when the pipeline's `boundary_ratio` is not None."),
  ],
  [
    "two prompts, one of them naughty",
    "request",
    failure(
      "ValueError",
      "Cannot forward both `prompt`: CUDA out of memory and `prompt_embeds`: tensor([]). Please make sure to only forward one of the two.",
    ),
  ],
  [
    "a value below ComfyUI's bounds",
    "request",
    { http: { from: "worker", status: 400, body: comfyRefusal("KSampler", "value_smaller_than_min", "steps") } },
  ],
  [
    "a missing input of ComfyUI",
    "request",
    failure("ComfyRefused", comfyRefusal("VAEDecode", "required_input_missing", "samples")),
  ],
  [
    "a choice that a sampler lacks",
    "request",
    { http: { from: "worker", status: 400, body: comfyRefusal("KSampler", "value_not_in_list", "sampler_name") } },
  ],
  [
    "an unknown node",
    "request",
    {
      http: {
        from: "worker",
        status: 400,
        body: '{"error":{"type":"invalid_prompt","message":"Cannot execute because node X does not exist.","details":"Node ID \'#3\'","extra_info":{}},"node_errors":{}}',
      },
    },
  ],
  [
    "a model file that ComfyUI does not list",
    "modelFile",
    { http: { from: "worker", status: 400, body: comfyRefusal("UNETLoader", "value_not_in_list", "unet_name") } },
  ],
  [
    "a pointer saved as weights",
    "modelFile",
    failure("safetensors_rust.SafetensorError", "Error while deserializing header: header too large", {
      phase: "load",
    }),
  ],
  [
    "a truncated file",
    "modelFile",
    failure(
      "safetensors_rust.SafetensorError",
      "Error while deserializing header: incomplete metadata, file not fully covered",
      {
        phase: "load",
      },
    ),
  ],
  [
    "a file of zeros",
    "modelFile",
    exit(
      "safetensors_rust.SafetensorError: Error while deserializing header: invalid JSON in header: EOF while parsing a value at line 1 column 0",
    ),
  ],
  [
    "a broken archive",
    "modelFile",
    failure("RuntimeError", "PytorchStreamReader failed reading zip archive: failed finding central directory", {
      phase: "load",
    }),
  ],
  [
    "an archive without its folder",
    "modelFile",
    failure(
      "RuntimeError",
      "[enforce fail at inline_container.cc:257] . file in archive is not in a subdirectory: data.pkl",
      {
        phase: "load",
      },
    ),
  ],
  [
    "a missing weight file",
    "modelFile",
    failure("OSError", "Error no file named diffusion_pytorch_model.bin found in directory /srv/models/wan.", {
      phase: "load",
    }),
  ],
  [
    "a file of the wrong size",
    "modelFile",
    failure(
      "OSError",
      "Consistency check failed: file should be of size 9999998976 but has size 132 (diffusion_pytorch_model-00001.safetensors).",
      { phase: "load" },
    ),
  ],
  [
    "a gated repository",
    "authentication",
    failure(
      "huggingface_hub.errors.GatedRepoError",
      `${hub401}Cannot access gated repo for url https://huggingface.co/x/y/resolve/main/config.json.\nAccess to model x/y is restricted.`,
    ),
  ],
  [
    "a gated repository wrapped by diffusers",
    "authentication",
    failure("OSError", "There was a specific connection error when trying to load x/y", {
      causes: [
        `huggingface_hub.errors.GatedRepoError: ${hub401}Cannot access gated repo for url https://h/x`,
        "httpx.HTTPStatusError: Client error '403 Forbidden' for url 'https://h/x'",
      ],
    }),
  ],
  [
    "a gated repository told as text",
    "authentication",
    { message: `${hub401}Cannot access gated repo for url https://huggingface.co/x/y/resolve/main/config.json.` },
  ],
  [
    "a token that is no good",
    "authentication",
    { http: { from: "hub", status: 401, errorMessage: "Invalid credentials in Authorization header" } },
  ],
  [
    "a forbidden repository",
    "authentication",
    failure("huggingface_hub.errors.HfHubHTTPError", "403 Forbidden: You need a fine-grained token."),
  ],
  [
    "a disabled repository",
    "authentication",
    failure("huggingface_hub.errors.DisabledRepoError", "Access to this resource is disabled."),
  ],
  [
    "a repository that does not exist",
    "notFound",
    failure("huggingface_hub.errors.RepositoryNotFoundError", `${hub401}Repository Not Found for url: https://h/x.`),
  ],
  ["a revision that does not exist", "notFound", { http: { from: "hub", status: 404, errorCode: "RevisionNotFound" } }],
  [
    "a file that does not exist",
    "notFound",
    failure("OSError", "x does not appear to have a file", {
      causes: ["RemoteEntryNotFoundError('404 Client Error.')"],
    }),
  ],
  [
    "a hub that is switched off",
    "offlineMode",
    failure(
      "huggingface_hub.errors.OfflineModeIsEnabled",
      "Cannot reach https://h/x: offline mode is enabled. To disable it, please unset the `HF_HUB_OFFLINE` environment variable.",
    ),
  ],
  ["memory that does not suffice", "outOfMemory", failure("torch.OutOfMemoryError", memoryTexts.present)],
  [
    "memory that the own process holds in a container",
    "outOfMemory",
    failure("torch.OutOfMemoryError", memoryTexts.container),
  ],
  ["memory by the asynchronous allocator", "outOfMemory", failure("torch.OutOfMemoryError", memoryTexts.asynchronous)],
  ["memory on ROCm", "outOfMemory", failure("torch.OutOfMemoryError", memoryTexts.rocm)],
  ["memory, as the runtime says it", "outOfMemory", cuda("out of memory", "cudaErrorMemoryAllocation")],
  [
    "memory, as cuBLAS says it",
    "outOfMemory",
    failure("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
  ],
  [
    "memory, as ComfyUI reports it",
    "outOfMemory",
    failure(
      "torch.cuda.OutOfMemoryError",
      "Allocation on device \nThis error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have accidentally set the batch_size to a large number.",
    ),
  ],
  ["memory, in the log of a dead worker", "outOfMemory", exit(`torch.OutOfMemoryError: ${memoryTexts.present}`)],
  ["memory that is fragmented", "outOfMemoryFragmented", failure("torch.OutOfMemoryError", memoryTexts.fragmented)],
  [
    "memory that is fragmented, in the older wording",
    "outOfMemoryFragmented",
    failure("torch.cuda.OutOfMemoryError", memoryTexts.older),
  ],
  ["memory that a neighbour holds", "outOfMemoryNeighbour", failure("torch.OutOfMemoryError", memoryTexts.neighbour)],
  ["address space that is exhausted", "outOfVirtualSpace", failure("torch.OutOfMemoryError", memoryTexts.addressSpace)],
];
