// Lesson 3: how heads, latents and formats decide what a text takes in memory.

import { h, panel, setText, setVar } from "../dom";
import { bytes, count } from "../format";
import { planIfTold, type Plan } from "../plan/plan_data";
import { headsPicture } from "./heads_picture";
import { field, prose, term, type Lesson } from "./lesson";
import { kindsOf, MODELS, type Format, type Kind, type Shape } from "./models";

const CONTEXTS = Array.from({ length: 19 }, (_, i) => Math.round(512 * 2 ** (i / 2) / 16) * 16);
const CLIENTS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
const MEMORIES: [string, number][] = [["8 GiB", 8], ["24 GiB", 24], ["80 GiB", 80], ["640 GiB", 640]].map(
  ([name, size]) => [name as string, (size as number) * 2 ** 30]);
const FORMATS: [Format, string][] = [["f16", "f16: two bytes a number"], ["k16v8", "k16v8: values in one byte"], ["q8",
  "q8: keys and values in one byte"]];

function slider(id: string, most: number, at: number): HTMLInputElement {
  return h("input", { id, type: "range", min: "0", max: most, step: "1", value: at });
}

function shapeOf({ model }: Plan): Shape {
  return { name: `${model.name} (runs here)`, layers: model.layers, queryHeads: model.query_heads, kvHeads: model.kv_heads,
    headDim: model.head_dim, context: model.context };
}

export class ShapesLesson implements Lesson {
  readonly element: HTMLElement;
  private shapes = MODELS;
  private memories = MEMORIES;
  private readonly model = h("select", { id: "shape-model" });
  private readonly memory = h("select", { id: "shape-memory" });
  private readonly context = slider("shape-context", CONTEXTS.length - 1, 8);
  private readonly contextShown = h("output", { for: "shape-context" });
  private readonly clients = slider("shape-clients", CLIENTS.length - 1, 5);
  private readonly clientsShown = h("output", { for: "shape-clients" });
  private readonly formats: HTMLInputElement[] = [];
  private readonly sum = h("p", { class: "sum", role: "status" });
  private readonly body = h("tbody");
  private readonly remark = h("p", { class: "hint" });
  private readonly abort = new AbortController();

  constructor() {
    const choice = h("fieldset", { class: "formats" }, h("legend", {}, "Format of keys and values"),
      ...FORMATS.map(([format, words]) => {
        const input = h("input", { type: "radio", name: "shape-format", id: `shape-${format}`, value: format, checked: format === "f16" });
        this.formats.push(input);
        return h("span", {}, input, h("label", { for: input.id }, words));
      }));
    const form = h("form", { class: "shape-form" }, field("Model", this.model), field("Memory for KV", this.memory),
      field("Tokens of each conversation", this.context, this.contextShown), field("Conversations at once", this.clients,
        this.clientsShown), choice);
    form.addEventListener("input", () => this.update());
    form.addEventListener("submit", (event) => event.preventDefault());
    this.element = h("div", { class: "stack" },
      panel("Heads, and what they keep", "",
        prose(["Attention looks at a text with many ", term("query heads"), " at once. What the KV cache holds are the keys and " +
          "values that they look at. In ",
          term("MHA"), " each query head has its own; in ", term("GQA"), " a group of them shares one; in ", term("MQA"),
            " all share one; and ", term("MLA"),
          " keeps a single narrow latent, from which the keys and values of all heads are unfolded when they are read. The model’s " +
            "arithmetic over a text is much the same: ",
          "what differs is what must stay in memory, and be read again for every token."])),
      panel("Set it yourself", "", form, this.sum,
        h("ul", { class: "legend-line" }, h("li", {}, h("span", { class: "swatch limit", "aria-hidden": "true" }),
          "as much as the chosen memory holds")),
        h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Memory by kind of attention" },
          h("table", { class: "bars kinds" }, h("thead", {}, h("tr", {}, ...["", "Query heads above, what is kept below",
            "numbers a token and layer", "a token", "all of them", "such conversations fit"]
            .map((text, i) => text === "" ? h("td") : h("th", { scope: "col", class: i > 1 && "number" }, text)))), this.body)), this.remark));
    this.fillChoices(undefined);
    this.update();
    void planIfTold(this.abort.signal).then((plan) => plan && this.begin(plan), () => undefined);
  }

  leave(): void {
    this.abort.abort();
  }

  private fillChoices(plan: Plan | undefined): void {
    if (plan) {
      this.shapes = [shapeOf(plan), ...MODELS];
      this.memories = [[`of this server: ${bytes(plan.memory.kv_bytes)}`, plan.memory.kv_bytes], ...MEMORIES];
    }
    this.model.replaceChildren(...this.shapes.map(({ name }, i) => h("option", { value: i }, name)));
    this.memory.replaceChildren(...this.memories.map(([name], i) => h("option", { value: i }, name)));
    this.memory.value = plan ? "0" : "1";
  }

  /** From the model that runs here, as it runs. */
  private begin(plan: Plan): void {
    this.fillChoices(plan);
    for (const input of this.formats) input.checked = input.value === plan.kv_format;
    const nearest = CONTEXTS.findLastIndex((context) => context <= Math.min(plan.model.context, 4096));
    this.context.value = String(Math.max(0, nearest));
    this.update();
  }

  private update(): void {
    const shape = this.shapes[Number(this.model.value)] ?? MODELS[0] as Shape;
    const most = CONTEXTS.findLastIndex((context) => context <= shape.context);
    this.context.max = String(Math.max(1, most));
    const context = CONTEXTS[Number(this.context.value)] ?? 512;
    const clients = CLIENTS[Number(this.clients.value)] ?? 1;
    const format = (this.formats.find(({ checked }) => checked)?.value ?? "f16") as Format;
    const memory = this.memories[Number(this.memory.value)]?.[1] ?? 1;
    const words = (input: HTMLInputElement, output: HTMLElement, text: string) => {
      setText(output, text);
      input.setAttribute("aria-valuetext", text);
    };
    words(this.context, this.contextShown, `${count(context)} tokens, of ${count(shape.context)} that it reads`);
    words(this.clients, this.clientsShown, count(clients));
    setText(this.remark, `${shape.layers} layers, ${shape.queryHeads} query heads of ${shape.headDim}. ${shape.remark ?? ""}` +
      (shape.latent ? "" : " MLA is what it would take in the proportions of DeepSeek-V2: a latent as wide as four heads, and half " +
        "a head for the position."));
    const kinds = kindsOf(shape, format);
    const totals = kinds.map(({ tokenBytes }) => tokenBytes * context * clients);
    const scale = Math.max(...totals);
    this.body.replaceChildren(...kinds.map((kind, i) => row(shape, kind, totals[i] ?? 0, scale, memory,
      memory / (kind.tokenBytes * context))));
    const own = kinds.findIndex((kind) => kind.own);
    const real = totals[own] ?? 0;
    setText(this.sum, `${count(clients)} conversation${clients === 1 ? "" : "s"} of ${count(context)} tokens take ${bytes(real)} as ` +
      `this model is (${kinds[own]?.id ?? ""}), ` +
      (real <= memory ? `and ${bytes(memory)} hold them.` : `and ${bytes(memory)} do not hold them.`));
  }
}

function row(shape: Shape, kind: Kind, total: number, scale: number, memory: number, fit: number): HTMLElement {
  const bar = h("span", { class: "gauge", "aria-hidden": "true" });
  const fill = h("span", { class: `fill ${kind.own ? "found" : "plain"}` });
  setVar(fill, "--share", `${(100 * total) / scale}%`);
  bar.append(fill);
  if (memory < scale) {
    const mark = h("span", { class: "mark-at" });
    setVar(mark, "--at", `${(100 * memory) / scale}%`);
    bar.append(mark);
  }
  return h("tr", { class: kind.own && "own" },
    h("th", { scope: "row" }, h("b", {}, kind.id), h("span", { class: "remark" }, kind.name), kind.own && h("span",
      { class: "tag" }, "as it is")),
    h("td", {}, headsPicture(shape.queryHeads, kind)),
    h("td", { class: "number" }, kind.values), h("td", { class: "number" }, bytes(kind.tokenBytes)),
    h("td", { class: "number total" }, h("b", {}, bytes(total)), bar),
    h("td", { class: "number" }, fit >= 1 ? count(Math.floor(fit)) : "none"));
}

export const shapesLesson = (): Lesson => new ShapesLesson();
