// Plan: what this machine can do with the model: who fits, how fast, and what a change would do.

import { ApiError } from "../api";
import { announce, h, panel, setText } from "../dom";
import { bytes, count, milliseconds, short } from "../format";
import { fuelLedger, verdictLegend } from "../plan/fuel_ledger";
import { getPlan, isWithheld, type Plan } from "../plan/plan_data";
import { arithmetic, breakEvenTable, changeTable, factsOf, formatTable, memoryBar, rateTable, scroll } from "../plan/plan_views";
import type { Page } from "../page";

const WITHHELD = "What this machine can do is the operator’s to know: it would tell one tenant of the memory that all of " +
  "them share. Sign in with the key of an admin to see it.";

const UNMEASURED = "Nothing was measured here yet, so there are sizes and no times. Run this once on this machine, " +
  "while the server is idle; then load the page again:";

interface Field {
  name: string;
  label: string;
  placeholder: string;
}

const FIELDS: Field[] = [
  { name: "memory", label: "Memory in all", placeholder: "as it runs" },
  { name: "disk", label: "Disk for KV", placeholder: "as it runs" },
  { name: "context", label: "Tokens of a session", placeholder: "2048,8192" },
  { name: "sessions", label: "Sessions", placeholder: "1,4,16,64" },
  { name: "network", label: "Network, Gbit/s", placeholder: "1,10" },
];

class PlanPage {
  readonly element: HTMLElement;
  private readonly place = h("div", { class: "stack" });
  private readonly problem = h("p", { class: "problem", role: "alert" });
  private readonly format = h("select", { id: "plan-format" }, h("option", { value: "" }, "as it runs"),
    ...["f16", "k16v8", "q8"].map((value) => h("option", { value }, value)));
  private readonly inputs = new Map(FIELDS.map(({ name, placeholder }) =>
    [name, h("input", { id: `plan-${name}`, placeholder, autocomplete: "off", spellcheck: "false" })]));
  private readonly form: HTMLFormElement;
  private abort = new AbortController();

  constructor() {
    const field = (label: string, input: HTMLElement) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
    this.form = h("form", { class: "plan-form" },
      ...FIELDS.slice(0, 2).map(({ name, label }) => field(label, this.input(name))), field("KV format", this.format),
      ...FIELDS.slice(2).map(({ name, label }) => field(label, this.input(name))),
      h("div", { class: "buttons" }, h("button", { type: "submit" }, "Work it out"), h("button", { type: "reset" }, "As it runs")));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.load();
    });
    // The fields are emptied after the event.
    this.form.addEventListener("reset", () => setTimeout(() => void this.load()));
    this.element = h("div", { class: "stack plan" }, this.problem, this.place);
    void this.load();
  }

  leave(): void {
    this.abort.abort();
  }

  private input(name: string): HTMLInputElement {
    return this.inputs.get(name) as HTMLInputElement;
  }

  private query(): URLSearchParams {
    const query = new URLSearchParams();
    if (this.format.value !== "") query.set("kv_format", this.format.value);
    for (const [name, input] of this.inputs) {
      const value = input.value.replaceAll(" ", "");
      if (value !== "") query.set(name, value);
    }
    return query;
  }

  private async load(): Promise<void> {
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    try {
      const plan = await getPlan(this.query(), signal);
      setText(this.problem, "");
      this.show(plan);
      announce("The plan was worked out");
    } catch (error) {
      if (signal.aborted) return;
      if (isWithheld(error)) this.place.replaceChildren(panel("For operators", WITHHELD));
      else setText(this.problem, error instanceof ApiError ? error.message : String(error));
    }
  }

  private show(plan: Plan): void {
    const { model, memory, machine } = plan;
    const longest = Math.min(model.context, Math.max(...plan.contexts.map(({ context }) => context)));
    const focused = document.activeElement;
    this.place.replaceChildren(
      panel("Who fits", `So many conversations of ${model.name} at once, each so long, in ${bytes(memory.kv_bytes)} of KV memory` +
        (memory.disk_bytes > 0 ? ` and ${bytes(memory.disk_bytes)} of disk` : ", without a disk") +
        `, as ${plan.kv_format}. Ask otherwise, and all of this page answers.`,
        this.form, verdictLegend(), scroll("Who fits, as a table", fuelLedger(plan))),
      this.sizes(plan),
      this.rates(plan),
      panel("Fetch or compute again", "KV that was computed once can lie in memory, on disk or with another server. Reading it back " +
        "takes a while too: from some length of text on it is the faster way.",
        plan.break_even.length > 0 ? h("div", {}, legend(), scroll("Fetch or compute again, as a table", breakEvenTable(plan)),
          arithmetic("The arithmetic", plan.break_even.map((one) => ({ name: one.place,
            value: one.tokens === null ? "never" : `${count(one.tokens)} tokens`, arithmetic: one.arithmetic }))))
          : h("p", { class: "empty" }, "Not known without times.")),
      panel("What a change would do", `To sessions of ${count(longest)} tokens. Formats and windows are settings of this server; ` +
        "heads and latents are how a model was made, and show why newer ones are made so.",
        scroll("What a change would do, as a table", changeTable(plan))));
    if (machine) this.place.append(h("p", { class: "hint" }, `Measured ${machine.measured} on ${machine.cpu}, ${machine.threads} ` +
      `threads, ` +
      `${machine.isa}: at most ${short(machine.dot_ops_per_second ?? NaN)}op/s of bytes, ${bytes(machine.read_bytes_per_second)}/s of ` +
      `memory, ${bytes(machine.disk_read_bytes_per_second)}/s of disk.`));
    if (focused instanceof HTMLElement && this.form.contains(focused)) focused.focus();
  }

  private sizes(plan: Plan): HTMLElement {
    const { memory } = plan;
    return panel("What it takes", `${bytes(memory.forecast_bytes)} in all: weights and buffers are always there, the rest is memory ` +
      `of texts.`,
      factsOf(plan), memoryBar(plan),
      arithmetic("The arithmetic", memory.fixed.map((part) => ({ name: part.name, value: bytes(part.bytes),
        arithmetic: part.arithmetic }))),
      scroll("Formats of KV", formatTable(plan)));
  }

  private rates(plan: Plan): HTMLElement {
    if (plan.times.length === 0) {
      return panel("How fast", UNMEASURED, h("pre", { class: "command" }, "quire plan MODEL.gguf"));
    }
    return panel("How fast", "First the whole prompt is read, then one token after the other is generated: the longer the text, " +
      "the more memory each of them has to look through.",
      scroll("How fast, as a table", rateTable(plan)),
      arithmetic("Where the time goes", plan.times.map((part) => ({ name: part.name,
        value: milliseconds(1000 * part.seconds), arithmetic: part.arithmetic }))));
  }
}

function legend(): HTMLElement {
  const one = (kind: string, text: string) => h("li", {}, h("span", { class: `swatch part ${kind}`, "aria-hidden": "true" }), text);
  return h("ul", { class: "legend-line" }, one("computed", "computing again is faster"), one("found", "fetching is faster"));
}

export function planPage(): Page {
  const page = new PlanPage();
  return { element: page.element, leave: () => page.leave() };
}
