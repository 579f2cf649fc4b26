// What the server is doing: the feed of /v1/live, kept open, and the rates that follow from it.

import { ApiError, events, request } from "./api";

export interface Tokens {
  ram: number;
  disk: number;
  remote: number;
  computed: number;
  generated: number;
}

export interface Totals {
  count: number;
  sum: number;
}

export interface TenantState {
  tenant: string;
  tiers: {
    ram: {
      live_bytes: number;
      live_blocks: number;
      idle_bytes: number;
      idle_blocks: number;
      pinned_bytes: number;
      pinned_blocks: number;
    };
    disk: { bytes: number };
  };
  guaranteed_bytes: number;
  limit_bytes: number | null;
  tokens: Tokens;
}

export type Phase = "disk" | "queued" | "prefill" | "decode";

export interface StreamState {
  id: number;
  tenant: string;
  phase: Phase;
  age_seconds: number;
  choices: number;
  prompt_tokens: number;
  cached_tokens: number;
  computed_tokens: number;
  generated_tokens: number;
  max_tokens: number;
  blocks: number;
  preemptions: number;
}

/** Of the server as a whole; an admin's alone. */
export interface ServerState {
  blocks: number;
  free_blocks: number;
  live_blocks: number;
  idle_blocks: number;
  pinned_blocks: number;
  running: number;
  waiting: number;
  map_blocks: number;
  map: number[];
  steps: number;
  preemptions: number;
  evicted_blocks: number;
  rejections: number;
  tokens: Tokens;
  step_seconds: Totals;
  step_tokens: Totals;
  time_to_first_token_seconds: Totals;
  inter_token_seconds: Totals;
  request_queue_seconds: Totals;
  disk: { bytes: number; limit_bytes: number; read_bytes: number; write_bytes: number };
}

export interface State {
  time_ms: number;
  tenant: string;
  admin: boolean;
  block_tokens: number;
  block_bytes: number;
  server?: ServerState;
  tenants: TenantState[];
  requests: StreamState[];
  requests_left_out?: number;
}

/** A point of the charts: per second where that makes sense, NaN where nothing happened. */
export interface Point {
  seconds: number;
  generated: number;
  computed: number;
  found: number;
  liveBytes: number;
  pinnedBytes: number;
  idleBytes: number;
  running: number;
  waiting: number;
  stepMs: number;
  stepTokens: number;
  firstTokenMs: number;
  diskReadBytes: number;
  diskWriteBytes: number;
  evicted: number;
  tenants: Map<string, { generated: number; computed: number; found: number }>;
}

export type Connection = "connecting" | "live" | "lost" | "refused";
type Listener = () => void;

const MOST_POINTS = 600;
const RETRY_MS = [500, 1000, 2000, 5000];

const found = (tokens: Tokens): number => tokens.ram + tokens.disk + tokens.remote;

function tokensOf(state: State): Tokens {
  if (state.server) return state.server.tokens;
  const none = { ram: 0, disk: 0, remote: 0, computed: 0, generated: 0 };
  return state.tenants[0]?.tokens ?? none;
}

function mean(now?: Totals, before?: Totals): number {
  if (!now || !before || now.count <= before.count) return NaN;
  return (now.sum - before.sum) / (now.count - before.count);
}

function memoryOf(state: State): { live: number; pinned: number; idle: number } {
  const sum = { live: 0, pinned: 0, idle: 0 };
  for (const { tiers } of state.tenants) {
    sum.live += tiers.ram.live_bytes;
    sum.pinned += tiers.ram.pinned_bytes;
    sum.idle += tiers.ram.idle_bytes;
  }
  return sum;
}

export function pointOf(state: State, before: State | undefined): Point {
  const passed = before ? Math.max(1e-3, (state.time_ms - before.time_ms) / 1000) : NaN;
  // A counter that fell belongs to a server that began anew.
  const rate = (now: number, then: number): number => (now < then ? NaN : (now - then) / passed);
  const now = tokensOf(state);
  const then = before ? tokensOf(before) : now;
  const memory = memoryOf(state);
  const { server } = state;
  const old = before?.server;
  const running = state.requests.filter(({ phase }) => phase === "prefill" || phase === "decode");
  const tenants = new Map<string, { generated: number; computed: number; found: number }>();
  for (const one of state.tenants) {
    const prior = before?.tenants.find(({ tenant }) => tenant === one.tenant)?.tokens ?? one.tokens;
    tenants.set(one.tenant, {
      generated: rate(one.tokens.generated, prior.generated),
      computed: rate(one.tokens.computed, prior.computed),
      found: rate(found(one.tokens), found(prior)),
    });
  }
  return {
    seconds: state.time_ms / 1000,
    generated: rate(now.generated, then.generated),
    computed: rate(now.computed, then.computed),
    found: rate(found(now), found(then)),
    liveBytes: memory.live,
    pinnedBytes: memory.pinned,
    idleBytes: memory.idle,
    running: server ? server.running : running.length,
    waiting: server ? server.waiting : state.requests.length - running.length,
    stepMs: 1000 * mean(server?.step_seconds, old?.step_seconds),
    stepTokens: mean(server?.step_tokens, old?.step_tokens),
    firstTokenMs:
      1000 * mean(server?.time_to_first_token_seconds, old?.time_to_first_token_seconds),
    diskReadBytes: server && old ? rate(server.disk.read_bytes, old.disk.read_bytes) : NaN,
    diskWriteBytes: server && old ? rate(server.disk.write_bytes, old.disk.write_bytes) : NaN,
    evicted: server && old ? rate(server.evicted_blocks, old.evicted_blocks) : NaN,
    tenants,
  };
}

class Live {
  state: State | undefined;
  connection: Connection = "connecting";
  problem = "";
  readonly points: Point[] = [];
  private listeners = new Set<Listener>();
  private abort: AbortController | undefined;
  private timer = 0;
  private failures = 0;

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.state) listener();
    return () => this.listeners.delete(listener);
  }

  start(): void {
    this.stop();
    this.abort = new AbortController();
    void this.read(this.abort.signal);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = undefined;
  }

  /** Forgets what another key has shown. */
  forget(): void {
    this.stop();
    this.state = undefined;
    this.points.length = 0;
  }

  private async read(signal: AbortSignal): Promise<void> {
    this.set("connecting", "");
    try {
      const response = await request("v1/live", { signal });
      for await (const data of events(response)) {
        if (signal.aborted) return;
        this.take(JSON.parse(data) as State);
      }
      this.retry("the server closed the feed", signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) this.set("refused", error.message);
      else this.retry(error instanceof Error ? error.message : String(error), signal);
    }
  }

  private take(state: State): void {
    this.points.push(pointOf(state, this.state));
    if (this.points.length > MOST_POINTS) this.points.shift();
    this.state = state;
    this.failures = 0;
    this.set("live", "");
  }

  private retry(problem: string, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.set("lost", problem);
    const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    this.timer = window.setTimeout(() => this.start(), wait);
  }

  private set(connection: Connection, problem: string): void {
    this.connection = connection;
    this.problem = problem;
    for (const listener of [...this.listeners]) listener();
  }
}

export const live = new Live();
