// Shapes of well-known models, as their publishers give them in config.json.

export interface Shape {
  name: string;
  layers: number;
  queryHeads: number;
  kvHeads: number;
  headDim: number;
  context: number;
  /** Of models with multi-head latent attention: what is kept instead of keys and values. */
  latent?: { values: number; position: number; keyDim: number };
  remark?: string;
}

export const MODELS: Shape[] = [
  { name: "Llama-3.1-8B", layers: 32, queryHeads: 32, kvHeads: 8, headDim: 128, context: 131072 },
  { name: "Qwen2.5-0.5B", layers: 24, queryHeads: 14, kvHeads: 2, headDim: 64, context: 32768 },
  { name: "Qwen2.5-7B", layers: 28, queryHeads: 28, kvHeads: 4, headDim: 128, context: 131072 },
  { name: "Mistral-7B-v0.3", layers: 32, queryHeads: 32, kvHeads: 8, headDim: 128, context: 32768 },
  { name: "Gemma-2-2B", layers: 26, queryHeads: 8, kvHeads: 4, headDim: 256, context: 8192,
    remark: "Every second layer of it looks back 4,096 tokens at most, and could forget what is older." },
  { name: "DeepSeek-V2 (MLA)", layers: 60, queryHeads: 128, kvHeads: 128, headDim: 128, context: 163840,
    latent: { values: 512, position: 64, keyDim: 192 },
    remark: "It keeps one latent of 512 numbers and 64 for the position, in each layer, for all of its 128 heads." },
];

export type Format = "f16" | "k16v8" | "q8";

const HALF = 2;
const BYTE = 1;
const SCALE = 4; // one for each token and head

const bytesOf = (values: number, heads: number, eight: boolean): number => values * (eight ? BYTE : HALF) + (eight ? heads * SCALE : 0);

export interface Kind {
  id: "MHA" | "GQA" | "MQA" | "MLA";
  name: string;
  heads: number; // with keys and values of their own; of a latent: 1
  own: boolean; // what the model really is
  tokenBytes: number;
  values: string; // the arithmetic of what a token leaves in a layer
}

function heads(shape: Shape, id: Kind["id"], name: string, many: number, format: Format, own: boolean): Kind {
  const keyDim = shape.latent?.keyDim ?? shape.headDim;
  const keys = bytesOf(many * keyDim, many, format === "q8");
  const values = bytesOf(many * shape.headDim, many, format !== "f16");
  return { id, name, heads: many, own, tokenBytes: shape.layers * (keys + values),
    values: `${many} × (${keyDim} + ${shape.headDim})` };
}

function latent(shape: Shape, format: Format): Kind {
  // Of others: in the proportions of DeepSeek-V2, four heads for the latent and half of one for the position.
  const { values, position } = shape.latent ?? { values: 4 * shape.headDim, position: shape.headDim / 2 };
  return { id: "MLA", name: "one latent for all heads", heads: 1, own: shape.latent !== undefined,
    tokenBytes: shape.layers * bytesOf(values + position, 1, format === "q8"), values: `${values} + ${position}` };
}

export function kindsOf(shape: Shape, format: Format): Kind[] {
  const { queryHeads, kvHeads } = shape;
  const groups = kvHeads < queryHeads && kvHeads > 1 ? kvHeads : queryHeads % 8 === 0 && queryHeads > 8 ? 8 : 0;
  const isMla = shape.latent !== undefined;
  const kinds = [heads(shape, "MHA", "every head its own", queryHeads, format, kvHeads === queryHeads && !isMla)];
  if (groups > 0) kinds.push(heads(shape, "GQA", `${groups} groups of ${queryHeads / groups} heads`, groups, format,
    groups === kvHeads && !isMla));
  kinds.push(heads(shape, "MQA", "all heads share one", 1, format, kvHeads === 1 && !isMla), latent(shape, format));
  return kinds;
}
