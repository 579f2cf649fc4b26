// Lesson 5: where each word of a text looks, by the weights of the model that runs here.

import { ApiError, postJson } from "../api";
import { announce, h, panel, setText, setVar } from "../dom";
import { count, percent } from "../format";
import { field, prose, term, Work, type Lesson } from "./lesson";

const TEXT = "The giraffe went into the lake because it was hot.";
const WITHHELD = "Reading a text in a pass of its own counts as nobody’s request, so where there are tenants it is for operators. " +
  "Sign in with the key of an admin to see it.";
const WAIT_MS = 350;

interface Looked {
  layer: number;
  layers: number;
  heads: number;
  tokens: number[];
  pieces: string[];
  weights: number[][][]; // [head][token][token looked at]
}

export class AttentionLesson implements Lesson {
  readonly element: HTMLElement;
  private readonly text = h("input", { id: "look-text", autocomplete: "off" });
  private readonly layer = h("input", { id: "look-layer", type: "range", min: "0", max: "0", step: "1", value: "0" });
  private readonly layerShown = h("output", { for: "look-layer" });
  private readonly head = h("input", { id: "look-head", type: "range", min: "0", max: "0", step: "1", value: "0" });
  private readonly headShown = h("output", { for: "look-head" });
  private readonly words = h("div", { class: "look-words", role: "radiogroup", "aria-label": "The token that looks" });
  private readonly says = h("p", { class: "sum", role: "status" });
  private readonly grid = h("div", { class: "look-grid" });
  private readonly place = h("div", { class: "stack" });
  private readonly work = new Work(() => undefined);
  private looked: Looked | undefined;
  private chosen = -1;
  private timer = 0;
  private stale = false;

  constructor() {
    this.text.value = TEXT;
    const later = () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.look(), WAIT_MS);
    };
    this.text.addEventListener("input", () => {
      this.chosen = -1;
      later();
    });
    this.layer.addEventListener("input", () => {
      this.tellSliders();
      later();
    });
    this.head.addEventListener("input", () => this.show());
    const form = h("form", { class: "shape-form" }, h("div", { class: "whole" }, field("A text of your own, up to 64 tokens", this.text)),
      field("Layer", this.layer, this.layerShown), field("Head of it", this.head, this.headShown));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.look();
    });
    this.place.append(
      panel("Choose a word", "", form, this.work.problem, this.words, this.says),
      panel("All of it at once", "A row for each token that looks, a column for each it looks at: the fuller the square, the more " +
        "it takes from there. Nobody looks ahead.", this.grid));
    this.element = h("div", { class: "stack" },
      panel("What the kept vectors are for", "",
        prose(["Each token asks with its ", term("query"), ", compares it with the ", term("keys"),
          " of all tokens before it and its own, and takes from their ", term("values"),
          " in these shares. That is all that attention is, done by every head of every layer for itself. Keys and values of " +
            "earlier tokens never change, and are needed for every token to come: ",
          "that is why they are kept."],
        ["Many heads look at the very first token most of the time: it is where they look when they have nothing to say. Try other " +
          "layers and heads to find some that look one token back, or for the noun behind an “it”."])),
      this.place);
    void this.look();
  }

  leave(): void {
    clearTimeout(this.timer);
    this.work.stop();
  }

  private tellSliders(): void {
    const words = (input: HTMLInputElement, output: HTMLElement) => {
      const text = `${count(Number(input.value) + 1)} of ${count(Number(input.max) + 1)}`;
      setText(output, text);
      input.setAttribute("aria-valuetext", text);
    };
    words(this.layer, this.layerShown);
    words(this.head, this.headShown);
  }

  /** What was typed while the server still looked is looked at next. */
  private async look(): Promise<void> {
    if (this.work.busy) {
      this.stale = true;
      return;
    }
    await this.work.run(async (signal) => {
      try {
        this.looked = await postJson<Looked>("v1/attention", { text: this.text.value, layer: Number(this.layer.value) }, signal);
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== "admin_only") throw error;
        this.place.replaceChildren(panel("For operators", WITHHELD));
        return;
      }
      this.layer.max = String(this.looked.layers - 1);
      this.head.max = String(this.looked.heads - 1);
      this.show();
    });
    if (!this.stale) return;
    this.stale = false;
    void this.look();
  }

  private weights(): number[][] {
    return this.looked?.weights[Number(this.head.value)] ?? [];
  }

  private show(): void {
    const { looked } = this;
    if (!looked) return;
    this.tellSliders();
    const last = looked.pieces.length - 1;
    if (this.chosen < 0 || this.chosen > last) this.chosen = last;
    const buttons = looked.pieces.map((piece, i) => {
      const choose = () => this.choose(i, false);
      const button = h("button", { type: "button", class: "look-word", role: "radio", onclick: choose }, shown(piece));
      button.addEventListener("mouseenter", choose);
      button.addEventListener("keydown", (event) => this.walk(event, i));
      return button;
    });
    this.words.replaceChildren(...buttons);
    this.drawGrid(looked);
    this.mark();
  }

  private walk(event: KeyboardEvent, at: number): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.choose(Math.min(Math.max(0, at + step), this.words.children.length - 1), true);
  }

  private choose(place: number, focus: boolean): void {
    this.chosen = place;
    this.mark();
    if (focus) (this.words.children[place] as HTMLElement | undefined)?.focus();
  }

  /** Each word before the chosen one is as full as what is taken from it. */
  private mark(): void {
    const row = this.weights()[this.chosen] ?? [];
    [...this.words.children].forEach((word, i) => {
      const element = word as HTMLElement;
      setVar(element, "--share", `${100 * (row[i] ?? 0)}%`);
      element.classList.toggle("ahead", i > this.chosen);
      element.setAttribute("aria-checked", String(i === this.chosen));
      element.tabIndex = i === this.chosen ? 0 : -1;
    });
    [...this.grid.children].forEach((line, i) => line.classList.toggle("chosen", i === this.chosen));
    const pieces = this.looked?.pieces ?? [];
    const nameOf = (i: number) => (i === this.chosen ? "itself" : `“${shown(pieces[i] ?? "")}”`);
    const most = row.map((weight, i) => ({ weight, i })).filter(({ weight }) => weight >= 0.005)
      .sort((a, b) => b.weight - a.weight).slice(0, 3);
    setText(this.says, `“${shown(pieces[this.chosen] ?? "")}” looks at ` +
      `${most.map(({ weight, i }) => `${nameOf(i)} with ${percent(weight, 1)}`).join(", ")}.`);
  }

  private drawGrid(looked: Looked): void {
    const weights = this.weights();
    setVar(this.grid, "--tokens", String(looked.pieces.length));
    this.grid.setAttribute("aria-hidden", "true"); // the words above say the same, a row at a time
    this.grid.replaceChildren(...weights.map((row, i) => h("div", { class: "look-row" },
      h("span", { class: "look-name" }, shown(looked.pieces[i] ?? "")),
      ...row.map((weight, seen) => {
        const square = h("span", { class: "look-square", title: `“${shown(looked.pieces[i] ?? "")}” at ` +
          `“${shown(looked.pieces[seen] ?? "")}”: ${percent(weight, 1)}` });
        setVar(square, "--share", String(Math.sqrt(weight))); // by area
        return square;
      }))));
    announce(`Layer ${looked.layer + 1}, head ${Number(this.head.value) + 1}`);
  }
}

/** What cannot be seen is named. */
function shown(piece: string): string {
  const text = piece.trim();
  return text !== "" ? text : piece === "" ? "start" : piece.includes("\n") ? "line end" : "space";
}

export const attentionLesson = (): Lesson => new AttentionLesson();
