// What /v1/plan says, and how to ask for it.

import { ApiError, getJson } from "../api";

export interface Term {
  name: string;
  arithmetic: string;
}

export type Verdict = "fits" | "tight" | "needs disk" | "never";

export interface Cell {
  sessions: number;
  verdict: Verdict;
  kv_bytes: number;
  disk_bytes: number;
  tokens_per_second: number | null;
}

export interface ContextRow {
  context: number;
  kv_bytes: number;
  first_token_seconds: number | null;
  prefill_tokens_per_second: number | null;
  decode_tokens_per_second: number | null;
  sessions: Cell[];
}

export interface ModelFacts {
  name: string;
  architecture: string;
  layers: number;
  width: number;
  query_heads: number;
  kv_heads: number;
  head_dim: number;
  vocabulary: number;
  context: number;
  window: number;
  windowed_layers: number;
  weight_bytes: number;
  multiply_adds: { row: number; choice: number };
}

export interface FormatRow {
  format: string;
  bytes_per_token: number;
  bytes_per_block: number;
  tokens: number;
}

export interface BreakEven {
  place: string;
  bytes_per_second: number;
  latency_seconds: number;
  tokens: number | null;
  arithmetic: string;
}

export interface Change {
  name: string;
  kv_bytes_per_token: number;
  session_bytes: number;
  sessions: number;
  decode_tokens_per_second: number | null;
  remark: string;
}

export interface Machine {
  cpu: string;
  isa: string;
  threads: number;
  measured: string;
  dot_ops_per_second: number | null;
  fma_ops_per_second: number | null;
  read_bytes_per_second: number | null;
  disk_read_bytes_per_second: number | null;
}

export interface Plan {
  model: ModelFacts;
  kv_format: string;
  memory: {
    planned_bytes: number;
    forecast_bytes: number;
    fixed_bytes: number;
    fixed: (Term & { bytes: number })[];
    kv_bytes: number;
    kv_blocks: number;
    block_bytes: number;
    bookkeeping_bytes: number;
    disk_bytes: number;
  };
  formats: FormatRow[];
  contexts: ContextRow[];
  break_even: BreakEven[];
  changes: Change[];
  times: (Term & { seconds: number })[];
  machine: Machine | null;
}

export const BLOCK_TOKENS = 16;

export function getPlan(query: URLSearchParams, signal: AbortSignal): Promise<Plan> {
  const text = query.toString();
  return getJson<Plan>(text === "" ? "v1/plan" : `v1/plan?${text}`, signal);
}

/** Whether a plan is withheld because the caller is no admin, which is no failure. */
export function isWithheld(error: unknown): boolean {
  return error instanceof ApiError && error.status === 403 && error.code === "admin_only";
}

/** The plan of the server as it runs; undefined for those whom it is not told. */
export async function planIfTold(signal: AbortSignal): Promise<Plan | undefined> {
  try {
    return await getPlan(new URLSearchParams(), signal);
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}
