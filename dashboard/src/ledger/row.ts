// What GET /v1/ledger says of a request.

export interface LedgerRow {
  id: number;
  request_id: string;
  tenant: string;
  started_ms: number;
  api: string;
  model: string;
  numerics: string;
  route: string;
  version: string;
  retry_of: string;
  outcome: string;
  verdict: string;
  status: number;
  stream: boolean;
  choices: number;
  preemptions: number;
  tokens: { prompt: number; ram: number; disk: number; remote: number; computed: number; generated: number };
  ms: {
    queue: number;
    onboard: number;
    prefill: number;
    decode: number;
    first_token: number;
    total: number;
    forecast_wait: number;
  };
  kv: { peak_blocks: number; used_bytes: number; forecast_bytes: number; byte_seconds: number };
  missed: { blocks: number; by_reason: Record<string, number>; evicted_ago_ms: number | null };
  label: string | null;
  score: number | null;
}

export interface LedgerPage {
  rows: LedgerRow[];
  next: number | null;
  lost: number;
}
