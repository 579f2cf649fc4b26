// The server's KV memory at this moment, as one line: in use, pinned, kept, free.

import { h, setText, setVar } from "../dom";
import { count, percent } from "../format";
import { live } from "../live";

interface Parts {
  live: number;
  pinned: number;
  idle: number;
  free: number;
}

const KINDS = ["live", "pinned", "idle", "free"] as const;
const WORDS = { live: "in use", pinned: "pinned", idle: "kept for whoever asks again", free: "free" };

function partsNow(): Parts | undefined {
  const { state } = live;
  if (!state) return undefined;
  const { server } = state;
  if (server) return { live: server.live_blocks, pinned: server.pinned_blocks, idle: server.idle_blocks, free: server.free_blocks };
  const own = state.tenants[0];
  if (!own) return undefined;
  const { live_blocks, pinned_blocks, idle_blocks } = own.tiers.ram;
  const most = own.limit_bytes === null ? 0 : Math.floor(own.limit_bytes / state.block_bytes);
  return { live: live_blocks, pinned: pinned_blocks, idle: idle_blocks,
    free: Math.max(0, most - live_blocks - pinned_blocks - idle_blocks) };
}

export class MemoryLine {
  readonly element: HTMLElement;
  private readonly bar = h("div", { class: "bar memory-line", "aria-hidden": "true" });
  private readonly parts = KINDS.map((kind) => h("span", { class: `part ${kind}` }));
  private readonly values = KINDS.map(() => h("dd", {}, "–"));
  private readonly evicted = h("dd", {}, "–");
  private readonly unsubscribe: () => void;
  private evictedBefore: number | undefined;

  constructor() {
    this.bar.append(...this.parts);
    const legend = h("dl", { class: "legend parts" }, ...KINDS.map((kind, i) => h("div", {},
      h("dt", {}, h("span", { class: `swatch memory-line ${kind}`, "aria-hidden": "true" }), WORDS[kind]), this.values[i])),
      h("div", {}, h("dt", {}, "evicted since this page began"), this.evicted));
    this.element = h("figure", {}, h("h3", {}, "The memory of this server, now, in blocks"), this.bar, legend);
    this.unsubscribe = live.subscribe(() => this.update());
  }

  leave(): void {
    this.unsubscribe();
  }

  private update(): void {
    const now = partsNow();
    if (!now) return;
    const all = KINDS.reduce((sum, kind) => sum + now[kind], 0);
    KINDS.forEach((kind, i) => {
      setVar(this.parts[i] as HTMLElement, "flex-grow", String(now[kind]));
      setText(this.values[i] as HTMLElement, `${count(now[kind])} (${percent(now[kind], all)})`);
    });
    const evicted = live.state?.server?.evicted_blocks;
    this.evictedBefore ??= evicted;
    if (evicted !== undefined) setText(this.evicted, count(evicted - (this.evictedBefore ?? 0)));
  }
}
